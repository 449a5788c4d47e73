/** `artifactstore withdraw`: takes versions of packages away; a later sweep frees what no other version needs. */

import { Command } from 'commander';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';

interface WithdrawFlags {
  reason?: string;
  force?: boolean;
}

export function withdrawCommand(): Command {
  return new Command('withdraw')
    .description('Withdraw versions of packages: whoever asks is told that they are gone, by whom, when and why.')
    .argument('<packages...>', 'namespace/name@version')
    .addOption(option('--reason <text>', 'why, for the event log and for whoever asks'))
    .addOption(option('--force', 'remove the refs that point at it, unless they are immutable'))
    .action((names: string[], flags: WithdrawFlags, command: Command) =>
      runCommand(command, (session) => withdraw(session, names, flags)),
    );
}

async function withdraw(session: Session, names: string[], { reason, force = false }: WithdrawFlags): Promise<void> {
  const store = await session.openStore();
  for (const name of names) {
    session.signal.throwIfAborted();
    try {
      const options = { force, ...(reason !== undefined && { reason }) };
      const { record, removed } = await store.packages.withdraw(name, options);
      const version = `${record.namespace}/${record.name}@${record.version}`;
      const refs = removed.length === 0 ? '' : `, and its refs ${removed.join(', ')}`;
      await session.output.result(`${record.manifest}  ${version}  withdrawn${refs}`, { ...record, removed });
    } catch (error) {
      session.fail(error, { name });
    }
  }
}
