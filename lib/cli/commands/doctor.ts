/** `artifactstore doctor`: what runs here, and whether the store opens. Also where a part is broken: then it says which. */

import { Command } from 'commander';
import type { BackendStatus } from '../../dataplane/spi.js';
import type { Installation, Part } from '../../doctor.js';
import { isStoreError } from '../../errors.js';
import type { Usage } from '../../registry/registry.js';
import { formatItems, formatSize } from '../format.js';
import { runCommand, type Session } from '../session.js';
import { packageVersion } from '../version.js';

/** What was found out about the store. */
type StoreFindings = Part<{ health: BackendStatus; usage: Usage }> | { ok: 'missing' };

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Show what runs here (kernel, I/O, versions, limits) and whether the store opens.')
    .action((_flags: object, command: Command) => runCommand(command, diagnose));
}

async function diagnose(session: Session): Promise<void> {
  const { examineInstallation } = await import('../../doctor.js');
  const installation = await examineInstallation();
  const store = await examineStore(session);
  const { output, options } = session;
  if (output.json) await output.write(`${JSON.stringify(findings(installation, store, options.store))}\n`);
  else await output.write(`${lines(installation, store, options.store).join('\n')}\n`);
  for (const part of [installation.native, installation.sqlite, store]) if (part.ok === false) session.fail(part.error);
  if (store.ok === true && store.facts.health.problem !== undefined)
    session.fail(new Error(store.facts.health.problem));
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

function lines(installation: Installation, store: StoreFindings, path: string): string[] {
  const { node, platform, native, sqlite, limits } = installation;
  const rows: [string, string][] = [
    ['artifactstore', packageVersion()],
    ['node', `${node.version} (OpenSSL ${node.openssl})`],
    ['platform', platform],
    ...nativeRows(native),
    ['sqlite', sqlite.ok ? sqlite.facts.version : 'cannot be loaded'],
    ['store', path],
    ...storeRows(store),
    ...Object.entries(limits).map(([name, value]): [string, string] => [`limit ${name}`, String(value)]),
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, value]) => `${name.padEnd(width)}${value}`);
}

function nativeRows(native: Installation['native']): [string, string][] {
  if (!native.ok) return [['kernel', 'the native addon cannot be loaded']];
  const { kernel, kernels, cpuFeatures, io, ioReason, storeFormat } = native.facts;
  return [
    ['kernel', `${kernel} (of ${kernels.join(', ')})`],
    ['cpu features', cpuFeatures || 'none that a kernel uses'],
    ['io engine', `${io} (${ioReason})`],
    ['store format', String(storeFormat)],
  ];
}

function storeRows(store: StoreFindings): [string, string][] {
  if (store.ok === 'missing') return [['store status', 'none yet; put and serve create it']];
  if (!store.ok) return [['store status', 'cannot be opened']];
  const { health, usage } = store.facts;
  const { freeSize, totalSize, syncLatencyMicros, facts } = health;
  const rows: [string, string][] = [
    ['store status', health.ready ? 'opens' : 'opens, but is not ready'],
    ['file system', facts.fileSystem ?? 'unknown'],
    [
      'objects',
      `${formatItems(usage.objects, 'object')}, ${formatSize(usage.size)} (${formatSize(usage.storedSize)} on disk)`,
    ],
  ];
  if (freeSize !== undefined && totalSize !== undefined)
    rows.push(['free', `${formatSize(freeSize)} of ${formatSize(totalSize)}`]);
  if (syncLatencyMicros !== undefined) rows.push(['durable write', `${syncLatencyMicros} µs`]);
  return rows;
}
