/** `artifactstore undelete`: takes tombstones back, as long as the bytes are there; and brings withdrawn versions back. */

import { Command } from 'commander';
import { formatItems } from '../format.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';

interface UndeleteFlags {
  reason?: string;
}

export function undeleteCommand(): Command {
  return new Command('undelete')
    .description('Take the deletion of objects back until their bytes are swept, and bring withdrawn versions back.')
    .argument('<names...>', 'either digest or a prefix, or namespace/name@version')
    .addOption(option('--reason <text>', 'why, for the event log'))
    .action((names: string[], flags: UndeleteFlags, command: Command) =>
      runCommand(command, (session) => undelete(session, names, flags)),
    );
}

async function undelete(session: Session, names: string[], { reason }: UndeleteFlags): Promise<void> {
  const store = await session.openStore();
  const options = reason === undefined ? {} : { reason };
  for (const name of names) {
    session.signal.throwIfAborted();
    try {
      if (name.includes('/')) {
        const { record, undeleted } = await store.packages.undelete(name, options);
        const version = `${record.namespace}/${record.name}@${record.version}`;
        const line = `${record.manifest}  ${version}  back, ${formatItems(undeleted, 'object')} undeleted`;
        await session.output.result(line, { ...record, undeleted });
      } else {
        const record = await store.undelete(name, options);
        await session.output.result(`${record.blake3}  undeleted`, record);
      }
    } catch (error) {
      session.fail(error, { name });
    }
  }
}
