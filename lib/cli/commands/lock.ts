/** `artifactstore lock`: what must stay until a time. */

import { Command, InvalidArgumentError } from 'commander';
import { ArtifactStoreError } from '../../errors.js';
import type { LockRecord } from '../../registry/retention.js';
import { readDuration } from '../../retention/duration.js';
import { LOCK_MODES, type LockMode } from '../../retention/locks.js';
import { formatTime, printable } from '../format.js';
import { parseEnd } from '../moment.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';
import { THING } from './hold.js';

interface LockFlags {
  mode: LockMode;
  until?: { time: number } | { after: number };
  reason?: string;
  bypassGovernance?: boolean;
}

export function lockCommand(): Command {
  const set = new Command('set')
    .description('Lock a thing until a time, or make its lock longer or stricter.')
    .argument('<thing>', THING)
    .addOption(
      option('--until <moment>', 'when it ends: 90d, 7y, 2030-01-01; now: it ends at once').argParser(parseUntil),
    )
    .addOption(
      option('--mode <mode>', 'governance can be shortened expressly, compliance by nobody')
        .choices(LOCK_MODES)
        .default('governance'),
    )
    .addOption(option('--reason <text>', 'why, for the event log'))
    .addOption(option('--bypass-governance', 'shorten or end a governance lock in force'))
    .action((thing: string, flags: LockFlags, command: Command) =>
      runCommand(command, (session) => setLock(session, thing, flags)),
    );
  const ls = new Command('ls')
    .description('List the locks, those that are over among them.')
    .argument('[thing]', `only that of it: ${THING}`)
    .action((thing: string | undefined, _flags: object, command: Command) =>
      runCommand(command, (session) => listLocks(session, thing)),
    );
  return new Command('lock').description('Lock things until a time, and list locks.').addCommand(set).addCommand(ls);
}

async function setLock(session: Session, thing: string, { until, ...flags }: LockFlags): Promise<void> {
  if (until === undefined) {
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', 'When the lock ends is missing. Give --until.');
  }
  const store = await session.openStore();
  const { now } = await store.retention.status();
  const end = 'time' in until ? until.time : now + until.after;
  const lock = await store.retention.lock(thing, { ...flags, until: end });
  await session.output.result(line(lock, now), lock);
}

async function listLocks(session: Session, thing: string | undefined): Promise<void> {
  const { retention } = await session.openRegistry();
  const { now } = await retention.status();
  let cursor: string | undefined;
  do {
    const page = await retention.locks({
      ...(thing !== undefined && { subject: thing }),
      ...(cursor !== undefined && { cursor }),
    });
    for (const lock of page.locks) await session.output.result(line(lock, now), lock);
    cursor = page.cursor;
  } while (cursor !== undefined);
}

function line({ subject, mode, until, actor, reason }: LockRecord, now: number): string {
  const end = `${until > now ? 'until' : 'ended'} ${formatTime(until)}`;
  return `${subject}  ${mode}  ${end}  ${printable(actor)}${reason === undefined ? '' : `: ${printable(reason)}`}`;
}

/** A length of time from the log's now, or a moment. */
function parseUntil(text: string): { time: number } | { after: number } {
  if (text === 'now') return { after: 0 };
  const after = readDuration(text);
  if (after !== undefined) return { after };
  const moment = parseEnd(text);
  if ('time' in moment) return { time: moment.time };
  throw new InvalidArgumentError('Give a length of time or a date: 90d, 7y, 2030-01-01.');
}
