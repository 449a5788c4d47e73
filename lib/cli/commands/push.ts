/** `artifactstore push`: a directory, or a file, into the store, under a name. */

import { Command, type Option } from 'commander';
import type { PushOptions } from '../../store/packages.js';
import { formatItems, formatSize } from '../format.js';
import { option } from '../options.js';
import type { Tally } from '../progress.js';
import { runCommand, type Session } from '../session.js';

export interface RefFlags {
  immutable?: boolean;
  ifRef?: string;
}

interface PushFlags extends RefFlags {
  ref?: string;
  class?: string;
  reread?: boolean;
}

export function pushCommand(): Command {
  return new Command('push')
    .description('Store a directory or a file as a package; print the digest of its manifest.')
    .argument('<path>', 'a directory: files, links as they are, empty directories; or one file')
    .argument('<package>', 'namespace/name@version, which never changes, or namespace/name:ref, which moves')
    .addOption(option('--ref <names>', 'further refs that point at it from then on, separated by commas'))
    .addOption(immutableOption())
    .addOption(ifRefOption())
    .addOption(option('--class <name>', 'its retention class, if the version is new (default: as its policy says)'))
    .addOption(
      option('--reread', 'read every file, also those whose size, times and inode are as when they were last pushed'),
    )
    .action((source: string, name: string, flags: PushFlags, command: Command) =>
      runCommand(command, (session) => push(session, source, name, flags)),
    );
}

export function immutableOption(): Option {
  return option('--immutable', 'the ref can neither move nor be removed from then on');
}

export function ifRefOption(): Option {
  return option(
    '--if-ref <digest>',
    'only if the ref points at this manifest until now; none: only if there is no such ref',
  );
}

/** The flags of refs as the library takes them. */
export function refOptions({ immutable, ifRef }: RefFlags): Pick<PushOptions, 'immutable' | 'ifRef'> {
  return {
    ...(immutable && { immutable }),
    ...(ifRef !== undefined && { ifRef: ifRef === 'none' ? null : ifRef }),
  };
}

async function push(
  session: Session,
  source: string,
  name: string,
  { ref, reread, class: className, ...flags }: PushFlags,
): Promise<void> {
  const { output, signal } = session;
  const store = await session.openStore({ create: true });
  const tally: Tally = { label: 'push', count: 0, noun: 'files', size: 0 };
  output.startProgress(tally);
  const began = performance.now();
  const { events, ...pushed } = await store.packages.push(source, name, {
    ...refOptions(flags),
    ...(ref !== undefined && { refs: ref.split(',').map((one) => one.trim()) }),
    ...(className !== undefined && { class: className }),
    ...(reread && { reread }),
    signal,
    onProgress: ({ files, size }) => Object.assign(tally, { count: files, size }),
  });
  output.stopProgress();
  const { namespace, name: bare, version, manifest, entries, size, stored } = pushed;
  const recorded = events.map(({ seq, id, time, kind }) => ({ seq, id, time, kind }));
  await output.result(`${manifest}  ${namespace}/${bare}@${version}`, { ...pushed, events: recorded });
  if (!output.showsProgress) return;
  const seconds = (performance.now() - began) / 1000;
  const found = `${formatItems(entries, 'path')}, ${formatSize(size)}`;
  output.note(`${found} in ${seconds.toFixed(1)} s; ${formatItems(stored, 'new object')}`, { seconds });
}
