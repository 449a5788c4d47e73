/** `artifactstore stat`: everything the registry knows about objects, deleted ones included; also beside a running service. */

import { Command } from 'commander';
import type { Moment } from '../../events/read-all.js';
import type { ObjectRecord } from '../../registry/registry.js';
import { formatRanges, formatSize, formatTime, printable } from '../format.js';
import { parseEnd } from '../moment.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';

export function statCommand(): Command {
  return new Command('stat')
    .description('Show what is known about objects, deleted ones too.')
    .argument('<digests...>', 'either digest, or an unambiguous prefix of one')
    .addOption(option('--at <moment>', 'as they were then: the seq of an event, or a time').argParser(parseEnd))
    .action((digests: string[], flags: { at?: Moment }, command: Command) =>
      runCommand(command, (session) => show(session, digests, flags.at)),
    );
}

async function show(session: Session, digests: string[], at?: Moment): Promise<void> {
  const registry = await session.openRegistryAt(at);
  let first = true;
  for (const digest of digests) {
    await session.attempt(
      async () => {
        const record = await registry.stat(digest);
        const gap = first ? '' : '\n';
        first = false;
        await session.output.result(gap + describe(record), record);
      },
      { digest },
    );
  }
}

function describe({
  blake3,
  sha256,
  size,
  state,
  ingestedAt,
  lastSeq,
  receipts,
  damaged,
  tombstone,
}: ObjectRecord): string {
  const lines = [
    ['blake3', blake3],
    ['sha256', sha256],
    ['size', `${size} (${formatSize(size)})`],
    ['state', state],
    ['first stored', formatTime(ingestedAt)],
    ['last event', String(lastSeq)],
    ...(receipts.length > 0 ? [['tier', [...new Set(receipts.map(({ tier }) => tier))].join(', ')]] : []),
    ...receipts.map(({ backend, tier, key, storedSize, durability }) => [
      'receipt',
      `${backend} ${tier} ${key}, ${formatSize(storedSize)}, ${durability}`,
    ]),
    ...(damaged ? [['damaged', `bytes ${formatRanges(damaged)}`]] : []),
    ...(tombstone ? [['deleted', deletion(tombstone)]] : []),
  ];
  return lines.map(([name = '', value]) => `${name.padEnd(14)}${value}`).join('\n');
}

function deletion({ time, actor, reason, seq }: NonNullable<ObjectRecord['tombstone']>): string {
  return printable(`${formatTime(time)} by ${actor}${reason === undefined ? '' : `: ${reason}`} (event ${seq})`);
}
