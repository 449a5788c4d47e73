/** `artifactstore audit`: who did what, when and to what; the event log, past and as it grows, also beside a running service. */

import { Command } from 'commander';
import { ArtifactStoreError } from '../../errors.js';
import type { EventFilters, ReadQuery, StoredEvent } from '../../events/log.js';
import { type Moment, readAll } from '../../events/read-all.js';
import { PAGE_SIZE_DEFAULT } from '../../limits.js';
import type { RegistryVerbs } from '../../store/verbs.js';
import { formatTime, printable } from '../format.js';
import { parseEnd, parseStart } from '../moment.js';
import { integer, option } from '../options.js';
import { eventJson } from '../record.js';
import { runCommand, type Session } from '../session.js';

interface AuditFlags extends EventFilters {
  since?: Moment;
  until?: Moment;
  after?: number;
  limit?: number;
  reverse?: boolean;
  follow?: boolean;
  format?: 'text' | 'json' | 'cbor';
}

const ACTOR_HELP = `
With --actor <name>, only what that actor did. The variable ARTIFACTSTORE_ACTOR
does not narrow what is shown: it says who you are.`;

export function auditCommand(): Command {
  const count = integer(0, Number.MAX_SAFE_INTEGER);
  return new Command('audit')
    .alias('events')
    .description('Show who did what, when and to what: the event log, oldest first.')
    .addOption(
      option(
        '--subject <subject>',
        'only what happened to this: a digest, a prefix of one, or what else events are about',
      ),
    )
    .addOption(option('--kind <kind>', 'only events of this kind, such as object.ingested'))
    .addOption(
      option('--since <moment>', 'from this event or time on: 1200, 2026-11-24, 2026-11-24T10:30Z').argParser(
        parseStart,
      ),
    )
    .addOption(option('--until <moment>', 'up to this event or time, included').argParser(parseEnd))
    .addOption(option('--after <seq>', 'start behind this event, in the order of the output').argParser(count))
    .addOption(option('--limit <count>', 'at most so many events').argParser(count))
    .addOption(option('--reverse', 'newest first'))
    .addOption(option('--follow', 'go on with events as they happen; without --after or --since, only those'))
    .addOption(
      option('--format <format>', 'text, json as with --json, or cbor: the very bytes stored, a CBOR sequence').choices(
        ['text', 'json', 'cbor'],
      ),
    )
    .addHelpText('after', ACTOR_HELP)
    .action((flags: AuditFlags, command: Command) =>
      runCommand(command, (session) => show(session, { ...flags, ...actorAskedFor(command) })),
    );
}

/** The option of every command, read as a filter: but only where this call has it. */
function actorAskedFor({ parent }: Command): Pick<EventFilters, 'actor'> {
  return parent?.getOptionValueSource('actor') === 'cli' ? { actor: parent.getOptionValue('actor') as string } : {};
}

async function show(session: Session, flags: AuditFlags): Promise<void> {
  if (flags.follow && (flags.reverse || flags.until !== undefined)) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      '--follow shows events as they happen, without end; leave --reverse and --until out.',
    );
  }
  let left = flags.limit ?? Number.POSITIVE_INFINITY;
  if (left === 0) return;
  const write = writer(session, flags);
  const registry = await session.openRegistry();
  const asked = { ...flags, ...(flags.subject !== undefined && { subject: await named(registry, flags.subject) }) };
  for await (const event of flags.follow ? following(session, registry, asked) : past(registry, asked)) {
    session.signal.throwIfAborted();
    await write(event);
    if (--left === 0) return;
  }
  session.signal.throwIfAborted();
}

/** The subject that a name stands for; one that the log does not know may still come. */
async function named(registry: RegistryVerbs, name: string): Promise<string> {
  return (await registry.subjectOf(name)) ?? name;
}

function writer({ output }: Session, { format }: AuditFlags): (event: StoredEvent) => Promise<void> | undefined {
  switch (format ?? (output.json ? 'json' : 'text')) {
    case 'cbor':
      return (event) => output.writeSoon(event.bytes);
    case 'json':
      return (event) => output.writeSoon(`${JSON.stringify(eventJson(event))}\n`);
    default:
      return (event) => output.writeSoon(`${line(event)}\n`);
  }
}

async function* following({ signal }: Session, registry: RegistryVerbs, flags: AuditFlags) {
  const after = flags.after ?? (await seqBefore(registry, flags.since));
  yield* registry.follow({ ...filtersOf(flags), signal, ...(after !== undefined && { after }) });
}

/** The newest event before a moment: `after` gives what is at it too. */
async function seqBefore(registry: RegistryVerbs, moment: Moment | undefined): Promise<number | undefined> {
  if (moment === undefined) return undefined;
  if ('seq' in moment) return Math.max(0, moment.seq - 1);
  return moment.time === 0 ? 0 : registry.seqAt({ time: moment.time - 1 });
}

function past(registry: RegistryVerbs, flags: AuditFlags): AsyncGenerator<StoredEvent> {
  const { since, until, after, limit, reverse } = flags;
  const query: ReadQuery = {
    ...filtersOf(flags),
    ...(since && ('seq' in since ? { first: since.seq } : { since: since.time })),
    ...(until && ('seq' in until ? { last: until.seq } : { until: until.time })),
    ...(after !== undefined && { after }),
    limit: Math.min(limit ?? PAGE_SIZE_DEFAULT, PAGE_SIZE_DEFAULT),
    reverse: reverse === true,
  };
  return readAll((page) => registry.events(page), query);
}

function filtersOf({ kind, subject, actor }: AuditFlags): EventFilters {
  return {
    ...(kind !== undefined && { kind }),
    ...(subject !== undefined && { subject }),
    ...(actor !== undefined && { actor }),
  };
}

function line({ seq, time, kind, actor, subject }: StoredEvent): string {
  const place = `${String(seq).padStart(8)}  ${formatTime(time)}`;
  return `${place}  ${kind.padEnd(17)}  ${printable(actor)}  ${printable(subject ?? '')}`.trimEnd();
}
