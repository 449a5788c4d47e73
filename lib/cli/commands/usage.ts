/** `artifactstore usage`: what each namespace takes, with and without what is there twice. */

import { Command } from 'commander';
import type { NamespaceUsage } from '../../store/packages.js';
import { formatItems, formatSize } from '../format.js';
import { runCommand, type Session } from '../session.js';

export function usageCommand(): Command {
  return new Command('usage')
    .description('Show what each namespace takes: its packages, their bytes, and what those occupy.')
    .argument('[namespace]', 'only this one')
    .action((namespace: string | undefined, _flags: object, command: Command) =>
      runCommand(command, (session) => usage(session, namespace)),
    );
}

async function usage(session: Session, namespace: string | undefined): Promise<void> {
  const store = await session.openStore();
  for await (const one of store.packages.usage(namespace)) {
    session.signal.throwIfAborted();
    await session.output.result(line(one), one);
  }
}

function line({
  namespace,
  packages,
  versions,
  refs,
  size,
  uniqueSize,
  storedSize,
  unreadable,
}: NamespaceUsage): string {
  const counts = [formatItems(packages, 'package'), formatItems(versions, 'version'), formatItems(refs, 'ref')];
  const sizes = `${formatSize(size)}, without repetitions ${formatSize(uniqueSize)}, on disk ${formatSize(storedSize)}`;
  const missing = unreadable === 0 ? '' : `; ${formatItems(unreadable, 'manifest')} cannot be read`;
  return `${namespace}  ${counts.join(', ')}; ${sizes}${missing}`;
}
