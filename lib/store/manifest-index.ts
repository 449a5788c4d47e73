/**
 * Writing down which objects a manifest needs, so that views know without reading it: what a namespace takes, and who needs an object.
 *
 * Imports event kinds, the registry's and the store's types, manifests and limits. publish.ts calls it for a new package, packages.ts for those of a
 * log that is older than these events.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { digestBytes, formatBlake3 } from '../digest-name.js';
import { isStoreError } from '../errors.js';
import { manifestIndexed } from '../events/kinds.js';
import type { NewEvent } from '../events/log.js';
import { PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX } from '../limits.js';
import { decodeManifest } from '../packages/manifest.js';
import { runsOf } from '../registry/object-sets.js';
import type { PackageHost } from './package-host.js';

/**
 * The events that say what a manifest needs; none when the log says it already. They belong into the append that publishes it.
 *
 * @param addresses every object of it, the manifest too; the registry knows them
 */
export async function indexManifest(
  { registry }: Pick<PackageHost, 'registry'>,
  manifest: ContentAddress,
  addresses: readonly ContentAddress[],
  actor: string,
): Promise<NewEvent[]> {
  if (await registry.isIndexed(manifest)) return [];
  const seqs: number[] = [];
  for (let from = 0; from < addresses.length; from += PAGE_SIZE_MAX) {
    for (const seq of await registry.seqs(addresses.slice(from, from + PAGE_SIZE_MAX).map(digestBytes))) seqs.push(seq);
  }
  return runsOf(seqs).map((runs) => manifestIndexed(actor, manifest, runs));
}

/**
 * Writes down what the manifests need that were published before there were such events. One that cannot be read is passed over: what it needs
 * is not known until it is there again.
 */
export async function indexOlderManifests(host: PackageHost): Promise<void> {
  let page: ContentAddress[];
  let after: ContentAddress | undefined;
  do {
    page = await host.registry.notIndexed(PAGE_SIZE_DEFAULT, after);
    for (const manifest of page) {
      const addresses = await objectsOf(host, manifest);
      if (addresses !== undefined) {
        await host.log.append(await indexManifest(host, manifest, addresses, host.actor));
      }
    }
    after = page.at(-1);
  } while (page.length === PAGE_SIZE_DEFAULT);
}

/** The objects that a manifest needs, itself among them; undefined when it cannot be read, or is none. */
async function objectsOf(host: PackageHost, manifest: ContentAddress): Promise<ContentAddress[] | undefined> {
  try {
    const { entries } = decodeManifest(await (await host.get(manifest)).bytes());
    const addresses = entries.flatMap((entry) => (entry.kind === 'file' ? [formatBlake3(entry.blake3)] : []));
    return [...new Set([manifest, ...addresses])];
  } catch (error) {
    if (isStoreError(error, 'AS_ERR_NOT_FOUND', 'AS_ERR_GONE', 'AS_ERR_CORRUPT', 'AS_ERR_MANIFEST')) return undefined;
    throw error;
  }
}
