/** `artifactstore doctor`: what runs here, and whether the store opens. Also where a part is broken: then it says which. */

import { Command } from 'commander';
import type { BackendStatus } from '../../dataplane/spi.js';
import type { Installation, Part } from '../../doctor.js';
import { isStoreError } from '../../errors.js';
import type { Usage } from '../../registry/registry.js';
import { formatItems, formatSize } from '../format.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';
import { packageVersion } from '../version.js';

/** What was found out about the store. */
type StoreFindings = Part<{ health: BackendStatus; usage: Usage }> | { ok: 'missing' };

interface Flags {
  limits?: boolean;
}

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Show what runs here (kernel, I/O, versions) and whether the store opens.')
    .addOption(option('--limits', 'every limit too; with --json they are always there'))
    .action((flags: Flags, command: Command) => runCommand(command, (session) => diagnose(session, flags)));
}

async function diagnose(session: Session, { limits: areLimitsShown = false }: Flags): Promise<void> {
  const { examineInstallation } = await import('../../doctor.js');
  const installation = await examineInstallation();
  const store = await examineStore(session);
  const { output, options } = session;
  if (output.json) await output.write(`${JSON.stringify(findings(installation, store, options.store))}\n`);
  else
    await output.write(
      `${table([...rows(installation, store, options.store), ...limitRows(installation, areLimitsShown)])}\n`,
    );
  for (const part of [installation.native, installation.sqlite, store]) if (part.ok === false) session.fail(part.error);
  if (store.ok !== true) return;
  const { problem, cold } = store.facts.health;
  if (problem !== undefined) session.fail(new Error(problem));
  if (cold?.problem !== undefined) session.fail(new Error(`The cold tier: ${cold.problem}`));
}

/** Opening checks format and lock, finishes what a crash interrupted, and brings the views up to date. */
async function examineStore(session: Session): Promise<StoreFindings> {
  try {
    const store = await session.openStore();
    return { ok: true, facts: { health: await store.health(), usage: await store.usage() } };
  } catch (error) {
    if (isStoreError(error, 'AS_ERR_STORE_MISSING')) return { ok: 'missing' };
    return { ok: false, error: error as Error };
  }
}

function findings({ node, platform, native, sqlite, limits }: Installation, store: StoreFindings, path: string) {
  return {
    artifactstore: packageVersion(),
    node: node.version,
    openssl: node.openssl,
    platform,
    native: native.ok ? native.facts : null,
    sqlite: sqlite.ok ? sqlite.facts.version : null,
    store: {
      path,
      ...(store.ok === true ? { status: 'open', ...store.facts } : { status: store.ok ? store.ok : 'broken' }),
    },
    limits,
  };
}

type Row = [string, string];

function table(rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${name.padEnd(width)}${value}`).join('\n');
}

function rows({ node, platform, native, sqlite }: Installation, store: StoreFindings, path: string): Row[] {
  return [
    ['artifactstore', packageVersion()],
    ['node', `${node.version} (OpenSSL ${node.openssl})`],
    ['platform', platform],
    ...nativeRows(native),
    ['sqlite', sqlite.ok ? sqlite.facts.version : 'cannot be loaded'],
    ['store', path],
    ...storeRows(store),
  ];
}

function limitRows({ limits }: Installation, areShown: boolean): Row[] {
  const all = Object.entries(limits);
  if (!areShown) return [['limits', `${all.length}, shown by doctor --limits`]];
  return all.map(([name, value]): Row => [`limit ${name}`, String(value)]);
}

function nativeRows(native: Installation['native']): Row[] {
  if (!native.ok) return [['kernel', 'the native addon cannot be loaded']];
  const { kernel, kernels, cpuFeatures, io, ioReason, storeFormat } = native.facts;
  return [
    ['kernel', `${kernel} (of ${kernels.join(', ')})`],
    ['cpu features', cpuFeatures || 'none that a kernel uses'],
    ['io engine', `${io} (${ioReason})`],
    ['store format', String(storeFormat)],
  ];
}

function storeRows(store: StoreFindings): Row[] {
  if (store.ok === 'missing') return [['store status', 'none yet; put and serve create it']];
  if (!store.ok) return [['store status', 'cannot be opened']];
  const { health, usage } = store.facts;
  const { freeSize, totalSize, syncLatencyMicros, facts } = health;
  const rows: Row[] = [
    ['store status', health.ready ? 'opens' : 'opens, but is not ready'],
    ['data plane', dataPlaneOf(facts)],
    ...(facts.dataPlane === 's3' ? s3Rows(facts) : [['file system', facts.fileSystem ?? 'unknown'] as Row]),
    [
      'objects',
      `${formatItems(usage.objects, 'object')}, ${formatSize(usage.size)} (${formatSize(usage.storedSize)} ${facts.dataPlane === 's3' ? 'stored' : 'on disk'})`,
    ],
  ];
  if (freeSize !== undefined && totalSize !== undefined)
    rows.push(['free', `${formatSize(freeSize)} of ${formatSize(totalSize)}`]);
  if (syncLatencyMicros !== undefined) rows.push(['durable write', `${syncLatencyMicros} µs`]);
  return [...rows, ...(health.cold ? coldRows(health.cold, usage) : [])];
}

function coldRows({ ready, problem, backend, facts, freeSize, totalSize }: BackendStatus, { cold }: Usage): Row[] {
  const { objects, storedSize } = cold ?? { objects: 0, storedSize: 0 };
  const place = facts.dataPlane === undefined ? backend : dataPlaneOf(facts);
  const rows: Row[] = [
    ['cold tier', ready ? place : `${place}, not ready: ${problem ?? 'it does not take bytes'}`],
    ['cold objects', `${formatItems(objects, 'object')} (${formatSize(storedSize)} there)`],
  ];
  if (freeSize !== undefined && totalSize !== undefined)
    rows.push(['cold free', `${formatSize(freeSize)} of ${formatSize(totalSize)}`]);
  if (facts.dataPlane === 's3') rows.push(...s3Rows(facts).map(([name, value]): Row => [`cold ${name}`, value]));
  return rows;
}

function dataPlaneOf(facts: BackendStatus['facts']): string {
  if (facts.dataPlane === 'remote') return `in a daemon (${facts.daemon ?? 'which does not answer'})`;
  if (facts.dataPlane === 's3') return `${facts.place} at ${facts.endpoint}, region ${facts.region}`;
  return 'in this process';
}

/** What the server was found to honour, and how it fares. */
function s3Rows(facts: BackendStatus['facts']): Row[] {
  const rows: [string, string | undefined][] = [
    ['s3 conditional put', facts.conditionalPut],
    ['s3 payload hash', facts.payloadHash],
    ['s3 Content-MD5', facts.contentMd5],
    ['s3 checksums', facts.checksums],
    ['s3 ETags of parts', facts.partEtags],
    ['s3 ranges', facts.ranges],
    ['s3 many deleted at once', facts.multiDelete],
    ['s3 without credentials', facts.withoutCredentials],
    ['s3 object lock', facts.objectLock],
    ['s3 versions', facts.versions],
    ['s3 credentials', facts.credentials && `from ${facts.credentials}`],
    ['s3 requests', facts.requests],
    ['s3 last trouble', facts.lastTrouble],
    ['spool', facts.spool],
  ];
  return rows.filter((row): row is Row => row[1] !== undefined);
}
