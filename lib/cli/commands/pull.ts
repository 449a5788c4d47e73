/** `artifactstore pull`: a package as a directory, verified, whole or not at all. */

import { Command } from 'commander';
import { formatSize } from '../format.js';
import { option } from '../options.js';
import type { Tally } from '../progress.js';
import { runCommand, type Session } from '../session.js';

interface PullFlags {
  overwrite?: boolean;
}

export function pullCommand(): Command {
  return new Command('pull')
    .description('Write a package to a directory, which appears whole or not at all.')
    .argument('<package>', 'namespace/name@version, namespace/name:ref, or a digest of a manifest')
    .argument('<folder>', 'where; nothing may be there, or an empty directory')
    .addOption(option('--overwrite', 'replace what is there, once the package has been written beside it'))
    .action((name: string, folder: string, flags: PullFlags, command: Command) =>
      runCommand(command, (session) => pull(session, name, folder, flags)),
    );
}

async function pull(session: Session, name: string, folder: string, { overwrite }: PullFlags): Promise<void> {
  const { output, signal } = session;
  const store = await session.openStore();
  const tally: Tally & { count: number; size: number } = { label: 'pull', count: 0, noun: 'files', size: 0 };
  output.startProgress(tally);
  const { address, entries } = await store.packages.pull(name, folder, {
    overwrite: overwrite === true,
    signal,
    onProgress: ({ files, size }) => Object.assign(tally, { count: files, size }),
  });
  output.stopProgress();
  const { count: files, size } = tally;
  if (output.json) await output.result('', { folder, manifest: address, entries: entries.length, files, size });
  else if (output.showsProgress) output.note(`${formatSize(size)} written to ${folder}`, {});
}
