/** `artifactstore usage`: what each namespace takes, with and without what is there twice. */

import { Command } from 'commander';
import type { NamespaceUsage } from '../../registry/packages.js';
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
  const { packages } = await session.openRegistry();
  for await (const one of packages.usage(namespace)) {
    session.signal.throwIfAborted();
    await session.output.result(line(one), one);
  }
}

function line({ namespace, packages, versions, refs, size, uniqueSize, storedSize, missing }: NamespaceUsage): string {
  const counts = [formatItems(packages, 'package'), formatItems(versions, 'version'), formatItems(refs, 'ref')];
  const sizes = `files ${formatSize(size)}; objects, manifests among them, ${formatSize(uniqueSize)}, on disk ${formatSize(storedSize)}`;
  const damage = missing === 0 ? '' : `; ${formatItems(missing, 'object')} cannot be read`;
  return `${namespace}  ${counts.join(', ')}; ${sizes}${damage}`;
}
