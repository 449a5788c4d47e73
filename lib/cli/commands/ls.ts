/** `artifactstore ls`: what is in the store, from the registry alone, so also beside a running service; or what is in a package. */

import { Command } from 'commander';
import type { Moment } from '../../events/read-all.js';
import type { ObjectRecord, ObjectState, Registry } from '../../registry/registry.js';
import { formatSize, formatTime, shortDigest } from '../format.js';
import { parseEnd } from '../moment.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';
import { listPackage } from './ls-package.js';

interface LsFlags {
  state: ObjectState | 'present' | 'all';
  digests?: boolean;
  at?: Moment;
}

const STATES = ['present', 'live', 'corrupt', 'tombstoned', 'deleted', 'all'];

export function lsCommand(): Command {
  return new Command('ls')
    .description(
      'List objects: digest, size, time first stored, tier, state. Or what a package has: kind, size, digest, path.',
    )
    .argument('[package]', 'namespace/name@version or namespace/name:ref')
    .addOption(
      option('--state <state>', 'only objects in this state; present: live and corrupt')
        .choices(STATES)
        .default('present'),
    )
    .addOption(option('--digests', 'both digests in full'))
    .addOption(option('--at <moment>', 'as it was then: the seq of an event, or a time').argParser(parseEnd))
    .action((name: string | undefined, flags: LsFlags, command: Command) =>
      runCommand(command, (session) =>
        name === undefined ? list(session, flags) : listPackage(session, name, flags.digests === true),
      ),
    );
}

async function list(session: Session, { state, digests, at }: LsFlags): Promise<void> {
  const { output } = session;
  const registry = await session.openRegistryAt(at);
  for await (const page of pages(session, registry, state)) {
    const lines = page.map((record) => (output.json ? JSON.stringify(record) : line(record, digests === true)));
    if (lines.length > 0) await output.write(`${lines.join('\n')}\n`);
  }
}

async function* pages(session: Session, registry: Pick<Registry, 'list'>, state: LsFlags['state']) {
  const one = state === 'present' || state === 'all' ? {} : { state };
  let cursor: string | undefined;
  do {
    session.signal.throwIfAborted();
    const page = await registry.list({ ...one, ...(cursor !== undefined && { cursor }) });
    yield state === 'present' ? page.objects.filter(isPresent) : page.objects;
    cursor = page.cursor;
  } while (cursor !== undefined);
}

function isPresent({ state }: ObjectRecord): boolean {
  return state === 'live' || state === 'corrupt';
}

function line({ blake3, sha256, size, ingestedAt, state, receipts }: ObjectRecord, digests: boolean): string {
  const name = digests ? `${blake3}  ${sha256}` : shortDigest(blake3);
  const tiers = [...new Set(receipts.map(({ tier }) => tier))].join('+') || '-';
  return `${name}  ${formatSize(size).padStart(8)}  ${formatTime(ingestedAt)}  ${tiers.padEnd(4)}  ${state}`;
}
