/** `artifactstore events`: the event log, past and as it grows; also beside a running service. */

import { Command } from 'commander';
import { ArtifactStoreError } from '../../errors.js';
import type { StoredEvent } from '../../events/log.js';
import { PAGE_SIZE_DEFAULT } from '../../limits.js';
import type { RegistryReader } from '../../store/registry-reader.js';
import { formatTime } from '../format.js';
import { integer, option } from '../options.js';
import { eventJson } from '../record.js';
import { runCommand, type Session } from '../session.js';

interface EventsFlags {
  after?: number;
  limit?: number;
  kind?: string;
  reverse?: boolean;
  follow?: boolean;
}

export function eventsCommand(): Command {
  const count = integer(0, Number.MAX_SAFE_INTEGER);
  return new Command('events')
    .description('Show the event log, oldest first.')
    .addOption(option('--after <seq>', 'start behind this event').argParser(count))
    .addOption(option('--limit <count>', 'at most so many events').argParser(count))
    .addOption(option('--kind <kind>', 'only events of this kind, such as object.ingested'))
    .addOption(option('--reverse', 'newest first'))
    .addOption(option('--follow', 'go on with events as they happen; without --after, only those'))
    .action((flags: EventsFlags, command: Command) => runCommand(command, (session) => show(session, flags)));
}

async function show(session: Session, flags: EventsFlags): Promise<void> {
  if (flags.follow && flags.reverse) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      '--follow shows events as they happen; leave --reverse out.',
    );
  }
  let left = flags.limit ?? Number.POSITIVE_INFINITY;
  if (left === 0) return;
  const registry = await session.openRegistry();
  for await (const event of flags.follow ? following(session, registry, flags) : past(session, registry, flags)) {
    await session.output.result(line(event), eventJson(event));
    if (--left === 0) return;
  }
  session.signal.throwIfAborted();
}

async function* following(session: Session, registry: RegistryReader, { after, kind }: EventsFlags) {
  const query = { signal: session.signal, ...(after !== undefined && { after }) };
  for await (const event of registry.follow(query)) {
    if (kind === undefined || event.kind === kind) yield event;
  }
}

async function* past(session: Session, registry: RegistryReader, { after, limit, kind, reverse }: EventsFlags) {
  const query = { limit: Math.min(limit ?? PAGE_SIZE_DEFAULT, PAGE_SIZE_DEFAULT), reverse: reverse === true };
  let cursor = after;
  for (;;) {
    session.signal.throwIfAborted();
    const page = await registry.events({
      ...query,
      ...(cursor !== undefined && { after: cursor }),
      ...(kind !== undefined && { kind }),
    });
    yield* page;
    cursor = page.at(-1)?.seq;
    if (cursor === undefined) return;
  }
}

function line({ seq, time, kind, actor, subject }: StoredEvent): string {
  return `${String(seq).padStart(8)}  ${formatTime(time)}  ${kind.padEnd(17)}  ${actor}  ${subject ?? ''}`.trimEnd();
}
