/** `artifactstore bench`: the package's own benchmarks on this machine; the same code as `npm run bench`. */

import { Command } from 'commander';
import { integer, option } from '../options.js';
import { runCommand, type Session } from '../session.js';

interface HashFlags {
  rounds?: number;
}

export function benchCommand(): Command {
  const hash = new Command('hash')
    .description('Both digests, by every kernel set of this machine, against the SHA-256 of node:crypto alone.')
    .addOption(
      option('--rounds <count>', 'interleaved rounds; the median and the best are shown').argParser(integer(1, 1000)),
    )
    .action((flags: HashFlags, command: Command) => runCommand(command, (session) => benchHash(session, flags)));
  return new Command('bench').description('Measure this machine.').addCommand(hash);
}

async function benchHash(session: Session, { rounds }: HashFlags): Promise<void> {
  const { measureHash, renderHash } = await import('../../../bench/hash.js');
  const { output, signal } = session;
  const tally = { label: 'bench hash', count: 0, countTotal: 0, noun: 'measurements' };
  output.startProgress(tally);
  const report = await measureHash({
    signal,
    ...(rounds !== undefined && { rounds }),
    onProgress: (done, total) => Object.assign(tally, { count: done, countTotal: total }),
  });
  output.stopProgress();
  await output.write(output.json ? `${JSON.stringify(report)}\n` : renderHash(report));
}
