/** `artifactstore rm`: deletes objects and frees their space, at once or after a grace; a tombstone says who, when and why. */

import { Command } from 'commander';
import { ArtifactStoreError } from '../../errors.js';
import { formatSize, formatTime } from '../format.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';
import { inOrder } from '../window.js';
import { parseAge } from './verify.js';

/** Objects deleted at once: enough to share commits of the log and of the packs. */
const IN_FLIGHT_MAX = 512;

interface RmFlags {
  reason?: string;
  force?: boolean;
  grace?: number;
}

export function rmCommand(): Command {
  return new Command('rm')
    .description('Delete objects and free their space; a tombstone remains.')
    .argument('<digests...>', 'either digest, or an unambiguous prefix of one')
    .addOption(option('--reason <text>', 'why, for the tombstone'))
    .addOption(option('--force', 'also what packages need'))
    .addOption(
      option(
        '--grace <time>',
        'keep the bytes so long, for "undelete": 7d, 12h (default: free them at once)',
      ).argParser(parseAge),
    )
    .action((digests: string[], flags: RmFlags, command: Command) =>
      runCommand(command, (session) => remove(session, digests, flags)),
    );
}

async function remove(session: Session, digests: string[], { reason, force = false, grace }: RmFlags): Promise<void> {
  for (const digest of digests) requireDigest(digest);
  const store = await session.openStore();
  const work = (digest: string) =>
    store.delete(digest, { force, ...(reason !== undefined && { reason }), ...(grace !== undefined && { grace }) });
  for await (const { item, outcome } of inOrder(untilStopped(session, digests), IN_FLIGHT_MAX, work)) {
    if (outcome.status === 'rejected') {
      session.fail(outcome.reason, { digest: item });
      continue;
    }
    const { record, freedSize } = outcome.value;
    const after = record.state === 'tombstoned' ? record.tombstone?.sweepAfter : undefined;
    const done = after === undefined ? `${formatSize(freedSize)} freed` : `its bytes stay until ${formatTime(after)}`;
    await session.output.result(`${record.blake3}  deleted, ${done}`, { ...record, freedSize });
  }
  session.signal.throwIfAborted();
}

/** What has a slash is a package: who writes one means something else. */
function requireDigest(text: string): void {
  if (!text.includes('/')) return;
  const message = `"${text}" is a package, not an object. To take away a version: artifactstore withdraw ${text}.`;
  throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, { digest: text });
}

async function* untilStopped(session: Session, digests: string[]): AsyncGenerator<string> {
  for (const digest of digests) {
    if (session.signal.aborted) return;
    yield digest;
  }
}
