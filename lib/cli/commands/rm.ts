/** `artifactstore rm`: deletes objects and frees their space; a tombstone says who, when and why. */

import { Command } from 'commander';
import { formatSize } from '../format.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';
import { inOrder } from '../window.js';

/** Objects deleted at once: enough to share commits of the log and of the packs. */
const IN_FLIGHT_MAX = 512;

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
  const work = (digest: string) => store.delete(digest, reason === undefined ? {} : { reason });
  for await (const { item, outcome } of inOrder(untilStopped(session, digests), IN_FLIGHT_MAX, work)) {
    if (outcome.status === 'rejected') {
      session.fail(outcome.reason, { digest: item });
      continue;
    }
    const { record, freedSize } = outcome.value;
    await session.output.result(`${record.blake3}  deleted, ${formatSize(freedSize)} freed`, { ...record, freedSize });
  }
  session.signal.throwIfAborted();
}

async function* untilStopped(session: Session, digests: string[]): AsyncGenerator<string> {
  for (const digest of digests) {
    if (session.signal.aborted) return;
    yield digest;
  }
}
