/** `artifactstore compact`: gives back the space that deleted objects still take. */

import { Command } from 'commander';
import { formatItems, formatSize } from '../format.js';
import type { Tally } from '../progress.js';
import { runCommand, type Session } from '../session.js';

export function compactCommand(): Command {
  return new Command('compact')
    .description('Give back the space that deleted objects still take in files shared with others.')
    .action((_flags: object, command: Command) => runCommand(command, compact));
}

async function compact(session: Session): Promise<void> {
  const store = await session.openFolder({}, 'A service compacts its store by itself.');
  const tally: Tally = { label: 'compact', size: 0, count: 0, noun: 'segments deleted' };
  session.output.startProgress(tally);
  const { freedSize, movedSize, removedSegments } = await store.compact({
    onProgress: (report) => {
      tally.size = report.movedSize;
      tally.count = report.removedSegments;
    },
    signal: session.signal,
  });
  session.output.stopProgress();
  session.signal.throwIfAborted();
  await session.output.result(
    `${formatSize(freedSize)} freed, ${formatItems(removedSegments, 'segment')} deleted, ${formatSize(movedSize)} moved`,
    { freedSize, removedSegments, movedSize },
  );
}
