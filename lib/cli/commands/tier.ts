/** `artifactstore tier`: moves an object, or the files of a package, between the hot and the cold tier. */

import { Argument, Command } from 'commander';
import type { MoveReport, StoreTier } from '../../store.js';
import { formatItems, formatSize } from '../format.js';
import type { Tally } from '../progress.js';
import { runCommand, type Session } from '../session.js';

export function tierCommand(): Command {
  return new Command('tier')
    .description('Move an object, or the files of a package, to a tier: it is there then, and nowhere else.')
    .argument('<name>', 'either digest, an unambiguous prefix of one, or namespace/name@version or :ref')
    .addArgument(new Argument('<tier>', 'hot or cold').choices(['hot', 'cold']))
    .action((name: string, tier: StoreTier, _flags: object, command: Command) =>
      runCommand(command, (session) => move(session, name, tier)),
    );
}

async function move(session: Session, name: string, tier: StoreTier): Promise<void> {
  const { output, signal } = session;
  const store = await session.openStore();
  const tally: Tally & { size: number; count: number } = { label: 'tier', size: 0, count: 0, noun: 'objects' };
  let freed = 0;
  output.startProgress(tally);
  for await (const report of store.tier(name, tier, { signal })) {
    if ('error' in report) {
      session.fail(report.error, { digest: report.blake3 });
      continue;
    }
    tally.count++;
    tally.size += report.size;
    freed += report.freedSize;
    await tell(session, name, report);
  }
  output.stopProgress();
  if (!name.includes('/') || output.json || output.quiet) return;
  await output.write(
    `${formatItems(tally.count, 'object')} in the ${tier} tier, ${formatSize(tally.size)}; ${formatSize(freed)} freed\n`,
  );
}

/** Of a package, people are told the sum; programs, each object. */
async function tell({ output }: Session, name: string, report: Exclude<MoveReport, { error: Error }>): Promise<void> {
  if (name.includes('/') && !output.json) return;
  const { blake3, tier, moved, freedSize } = report;
  const what = moved ? `moved to the ${tier} tier, ${formatSize(freedSize)} freed` : `in the ${tier} tier already`;
  await output.result(`${blake3}  ${what}`, report);
}
