/** `artifactstore reconcile`: compares what is stored with what the log says, removes what is nobody's and records what is lost. */

import { Command } from 'commander';
import { EXIT } from '../exit.js';
import { formatItems, formatSize } from '../format.js';
import { option } from '../options.js';
import type { Tally } from '../progress.js';
import { runCommand, type Session } from '../session.js';
import { parseAge } from './verify.js';

interface ReconcileFlags {
  age?: number;
  dryRun?: boolean;
}

export function reconcileCommand(): Command {
  return new Command('reconcile')
    .description('Find bytes that no event names, and remove them; find objects whose bytes are lost, and record that.')
    .addOption(
      option('--age <time>', 'leave bytes alone that have not been there for so long (default: 24h)').argParser(
        parseAge,
      ),
    )
    .addOption(option('--dry-run', 'look and tell, and change nothing'))
    .action((flags: ReconcileFlags, command: Command) => runCommand(command, (session) => reconcile(session, flags)));
}

async function reconcile(session: Session, { age, dryRun = false }: ReconcileFlags): Promise<void> {
  const store = await session.openStore();
  const tally: Tally = { label: 'reconcile', size: 0, count: 0, noun: 'objects compared' };
  session.output.startProgress(tally);
  const report = await store.reconcile({
    dryRun,
    ...(age !== undefined && { age }),
    signal: session.signal,
    onProgress: ({ objects, size }) => {
      tally.size = size;
      tally.count = objects;
    },
  });
  session.output.stopProgress();
  const { objects, orphans, orphansSize, discarded, freedSize, young, lost, shown } = report;
  for (const address of shown.lost) {
    const message = `${address}  lost: the log says that it was stored, and its bytes are not there. Store it again.`;
    session.output.note(message, { digest: address, lost: true });
  }
  const kept = young === 0 ? '' : `, ${formatItems(young, 'object')} too young or in use`;
  await session.output.result(
    `${formatItems(objects, 'object')} compared; no event names ${formatItems(orphans, 'object')} (${formatSize(orphansSize)}): ` +
      `${discarded} removed, ${formatSize(freedSize)} freed${kept}; ${lost} lost`,
    { ...report, dryRun },
  );
  session.signal.throwIfAborted();
  if (lost > 0) session.failWith(EXIT.damage);
}
