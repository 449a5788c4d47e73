/** `artifactstore ref`: names that move from one version of a package to another. */

import { Command } from 'commander';
import type { RefRecord } from '../../registry/packages.js';
import { formatTime } from '../format.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';
import { ifRefOption, immutableOption, type RefFlags, refOptions } from './push.js';

interface RemoveFlags extends Pick<RefFlags, 'ifRef'> {
  reason?: string;
}

export function refCommand(): Command {
  const name = 'namespace/name:ref';
  const move = new Command('move')
    .description('Make a ref, or point it at another version, or at an object.')
    .argument('<ref>', name)
    .argument(
      '<package>',
      'a version or ref of the same package; or the digest of an object, which becomes a package of one file',
    )
    .addOption(immutableOption())
    .addOption(ifRefOption())
    .action((ref: string, to: string, flags: RefFlags, command: Command) =>
      runCommand(command, (session) => moveRef(session, ref, to, flags)),
    );
  const rm = new Command('rm')
    .description('Remove a ref; versions stay.')
    .argument('<ref>', name)
    .addOption(ifRefOption())
    .addOption(option('--reason <text>', 'why, for the event log'))
    .action((ref: string, flags: RemoveFlags, command: Command) =>
      runCommand(command, (session) => removeRef(session, ref, flags)),
    );
  return new Command('ref').description('Move and remove refs; "packages" lists them.').addCommand(move).addCommand(rm);
}

async function moveRef(session: Session, ref: string, to: string, flags: RefFlags): Promise<void> {
  const store = await session.openStore();
  const moved = await store.packages.moveRef(ref, to, refOptions(flags));
  await session.output.result(line(moved), moved);
}

async function removeRef(session: Session, ref: string, { reason, ...flags }: RemoveFlags): Promise<void> {
  const store = await session.openStore();
  const options = { ...refOptions(flags), ...(reason !== undefined && { reason }) };
  const removed = await store.packages.removeRef(ref, options);
  await session.output.result(`${line(removed)}  removed`, { ...removed, removed: true });
}

function line({ namespace, name, ref, target, immutable, movedAt }: RefRecord): string {
  return `${target}  ${namespace}/${name}:${ref}  ${formatTime(movedAt)}${immutable ? '  immutable' : ''}`;
}
