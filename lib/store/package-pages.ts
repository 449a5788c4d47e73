/**
 * Answers about packages that are longer than a page, page by page.
 *
 * Imports names, limits and the registry's types. packages.ts and registry-reader.ts show it as their own.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { PAGE_SIZE_DEFAULT } from '../limits.js';
import { requireNamespace } from '../packages/name.js';
import type { NamespaceUsage, PackageRecord, PackageRegistry } from '../registry/packages.js';

/** As `Packages.containing`. */
export async function* versionsNeeding(
  registry: Pick<PackageRegistry, 'needing'>,
  address: ContentAddress,
): AsyncGenerator<PackageRecord> {
  let page: PackageRecord[];
  let after: PackageRecord | undefined;
  do {
    page = await registry.needing(address, PAGE_SIZE_DEFAULT, after);
    yield* page;
    after = page.at(-1);
  } while (page.length === PAGE_SIZE_DEFAULT);
}

/** As `Packages.usage`. */
export async function* usageOf(
  registry: Pick<PackageRegistry, 'usage' | 'usageOf'>,
  namespace?: string,
): AsyncGenerator<NamespaceUsage> {
  if (namespace !== undefined) {
    const usage = await registry.usageOf(requireNamespace(namespace));
    if (usage !== undefined) yield usage;
    return;
  }
  let page: NamespaceUsage[];
  let after: string | undefined;
  do {
    page = await registry.usage(PAGE_SIZE_DEFAULT, after);
    yield* page;
    after = page.at(-1)?.namespace;
  } while (page.length === PAGE_SIZE_DEFAULT);
}
