/** `artifactstore packages`: versions and refs, from the registry alone, so also beside a running service. */

import { Command } from 'commander';
import { parsePackageName, requireNamespace } from '../../packages/name.js';
import type { PackageQuery, PackageRecord, RefRecord } from '../../registry/packages.js';
import { formatItems, formatSize, formatTime, shortDigest } from '../format.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';

interface PackagesFlags {
  containing?: string;
}

export function packagesCommand(): Command {
  return new Command('packages')
    .description('List packages: versions with digest, files, size and time, and where refs point.')
    .argument('[name]', 'only this namespace, or namespace/name')
    .addOption(option('--containing <digest>', 'only versions that have this object'))
    .action((name: string | undefined, flags: PackagesFlags, command: Command) =>
      runCommand(command, (session) => list(session, name, flags)),
    );
}

async function list(session: Session, name: string | undefined, { containing }: PackagesFlags): Promise<void> {
  const query = queryOf(name);
  if (containing !== undefined) return listContaining(session, query, containing);
  const { packages } = await session.openRegistry();
  await pages(session, query, async (page) => {
    const { packages: versions, cursor } = await packages.list(page);
    for (const version of versions)
      await session.output.resultSoon(
        () => versionLine(version),
        () => version,
      );
    return cursor;
  });
  await pages(session, query, async (page) => {
    const { refs, cursor } = await packages.refs(page);
    for (const ref of refs)
      await session.output.resultSoon(
        () => refLine(ref),
        () => ref,
      );
    return cursor;
  });
}

async function listContaining(session: Session, query: PackageQuery, digest: string): Promise<void> {
  const registry = await session.openRegistry();
  const { blake3 } = await registry.stat(digest);
  for await (const version of registry.packages.containing(blake3)) {
    session.signal.throwIfAborted();
    const { namespace = version.namespace, name = version.name } = query;
    if (version.namespace !== namespace || version.name !== name) continue;
    await session.output.resultSoon(
      () => versionLine(version),
      () => version,
    );
  }
}

function queryOf(name: string | undefined): PackageQuery {
  if (name === undefined) return {};
  return name.includes('/') ? parsePackageName(name) : { namespace: requireNamespace(name) };
}

async function pages(
  session: Session,
  query: PackageQuery,
  show: (query: PackageQuery) => Promise<string | undefined>,
): Promise<void> {
  for (let cursor = await show(query); cursor !== undefined; cursor = await show({ ...query, cursor })) {
    session.signal.throwIfAborted();
  }
}

function versionLine({ namespace, name, version, manifest, entries, size, publishedAt }: PackageRecord): Uint8Array {
  const shown = version === manifest ? shortDigest(manifest) : version;
  const counts = `${formatItems(entries, 'path')}, ${formatSize(size)}`;
  return Buffer.from(
    `${namespace}/${name}@${shown}  ${shortDigest(manifest)}  ${counts}  ${formatTime(publishedAt)}\n`,
  );
}

function refLine({ namespace, name, ref, target, immutable, movedAt }: RefRecord): Uint8Array {
  const mark = immutable ? '  immutable' : '';
  return Buffer.from(`${namespace}/${name}:${ref}  ${shortDigest(target)}  ${formatTime(movedAt)}${mark}\n`);
}
