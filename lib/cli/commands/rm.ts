/** `artifactstore rm`: deletes objects and frees their space; a tombstone says who, when and why. */

import { Command } from 'commander';
import { formatSize } from '../format.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';

interface RmFlags {
  reason?: string;
}

export function rmCommand(): Command {
  return new Command('rm')
    .description('Delete objects and free their space; a tombstone remains.')
    .argument('<digests...>', 'either digest, or an unambiguous prefix of one')
    .addOption(option('--reason <text>', 'why, for the tombstone'))
    .action((digests: string[], flags: RmFlags, command: Command) =>
      runCommand(command, (session) => remove(session, digests, flags)),
    );
}

async function remove(session: Session, digests: string[], { reason }: RmFlags): Promise<void> {
  const store = await session.openStore();
  for (const digest of digests) {
    session.signal.throwIfAborted();
    await session.attempt(
      async () => {
        const { record, freedSize } = await store.delete(digest, reason === undefined ? {} : { reason });
        await session.output.result(`${record.blake3}  deleted, ${formatSize(freedSize)} freed`, {
          ...record,
          freedSize,
        });
      },
      { digest },
    );
  }
}
