/** `artifactstore bench`: the package's own benchmarks on this machine; the same code as `npm run bench`. */

import { writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import type { HashPart } from '../../../bench/hash.js';
import { integer, option } from '../options.js';
import { runCommand, type Session } from '../session.js';

interface HashFlags {
  rounds?: number;
  only?: HashPart[];
  svg?: string;
}

/** As bench/hash.ts has them, which is loaded only when it runs. */
const PARTS: readonly HashPart[] = ['library', 'kernels', 'files'];

export function benchCommand(): Command {
  const hash = new Command('hash')
    .description(
      'Both digests, by every kernel set of this machine, against SHA-256 alone of node:crypto, OpenSSL and others.',
    )
    .addOption(
      option('--rounds <count>', 'interleaved rounds; the median and the best are shown').argParser(integer(1, 1000)),
    )
    .addOption(option('--only <parts>', `some of ${PARTS.join(', ')}, separated by commas`).argParser(someOf(PARTS)))
    .addOption(option('--svg <file>', 'draw the ratios, too'))
    .action((flags: HashFlags, command: Command) => runCommand(command, (session) => benchHash(session, flags)));
  return new Command('bench').description('Measure this machine.').addCommand(hash);
}

async function benchHash(session: Session, { rounds, only, svg }: HashFlags): Promise<void> {
  const { measureHash } = await import('../../../bench/hash.js');
  const { output, signal } = session;
  const tally = { label: 'bench hash', count: 0, countTotal: 0, noun: 'measurements' };
  output.startProgress(tally);
  const report = await measureHash({
    signal,
    ...(rounds !== undefined && { rounds }),
    ...(only !== undefined && { parts: only }),
    onProgress: (done, total) => Object.assign(tally, { count: done, countTotal: total }),
  });
  output.stopProgress();
  if (svg !== undefined) await writeFile(svg, (await import('../../../bench/hash/picture.js')).drawHash(report));
  if (output.json) await output.write(`${JSON.stringify(report)}\n`);
  else await output.write((await import('../../../bench/hash/report.js')).renderHash(report));
}

/** A parser for an option that takes some of these words, separated by commas. */
function someOf<Word extends string>(words: readonly Word[]): (text: string) => Word[] {
  return (text) => {
    const asked = text.split(',').map((word) => word.trim());
    if (asked.every((word) => words.some((one) => one === word))) return words.filter((one) => asked.includes(one));
    throw new InvalidArgumentError(`Give some of ${words.join(', ')}, separated by commas.`);
  };
}
