/** `artifactstore sweep`: removes the bytes of deleted objects whose grace is over. */

import { Command } from 'commander';
import { formatItems, formatSize } from '../format.js';
import { integer, option } from '../options.js';
import type { Tally } from '../progress.js';
import { runCommand, type Session } from '../session.js';

interface SweepFlags {
  limit?: number;
}

export function sweepCommand(): Command {
  return new Command('sweep')
    .description('Remove the bytes of deleted objects whose grace is over, and free their space.')
    .addOption(
      option('--limit <objects>', 'remove no more than so many (default: all that are due)').argParser(
        integer(1, Number.MAX_SAFE_INTEGER),
      ),
    )
    .action((flags: SweepFlags, command: Command) => runCommand(command, (session) => sweep(session, flags)));
}

async function sweep(session: Session, { limit }: SweepFlags): Promise<void> {
  const store = await session.openStore();
  const tally: Tally = { label: 'sweep', size: 0, count: 0, noun: 'objects removed' };
  session.output.startProgress(tally);
  const report = await store.sweep({
    ...(limit !== undefined && { limit }),
    signal: session.signal,
    onProgress: ({ objects, freedSize }) => {
      tally.size = freedSize;
      tally.count = objects;
    },
  });
  session.output.stopProgress();
  const { objects, freedSize, keptCount, kept, failedCount, failed } = report;
  for (const one of kept) {
    const { address, protector } = one;
    session.output.note(`${address}  stays: ${protector?.because} (${protector?.kind} ${protector?.name})`, one);
  }
  for (const { address, error } of failed) session.fail(error, { digest: address });
  const stays = keptCount === 0 ? '' : `, ${formatItems(keptCount, 'object')} protected`;
  await session.output.result(`${formatItems(objects, 'object')} removed, ${formatSize(freedSize)} freed${stays}`, {
    objects,
    freedSize,
    kept,
    keptCount,
    failedCount,
  });
  session.signal.throwIfAborted();
}
