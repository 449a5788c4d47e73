/** `artifactstore erase`: what is about a person goes for good, on legal demand; the log stays whole and says that it went. */

import { Command, InvalidArgumentError } from 'commander';
import { ArtifactStoreError } from '../../errors.js';
import type { ErasureDemand, ErasureReport } from '../../store.js';
import { formatItems, formatSize, printable } from '../format.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';
import { required } from './hold.js';

interface EraseFlags {
  order?: string;
  name?: string[];
  mentioning?: string[];
  event?: number[];
  reason?: string;
  dryRun?: boolean;
}

export function eraseCommand(): Command {
  return new Command('erase')
    .description(
      'Erase names, what people wrote, and objects, at once and for good, on legal demand. The log stays whole and says what was erased, and under which order.',
    )
    .argument('[objects...]', 'a digest, or an unambiguous prefix of one; packages that need it stay, without it')
    .addOption(option('--order <id>', 'which order demands it; it stays in the log, so it should name nobody'))
    .addOption(option('--name <actor>', 'everything that is known of an actor by this name').argParser(collect))
    .addOption(option('--mentioning <text>', 'names, and what people wrote, in which this stands').argParser(collect))
    .addOption(option('--event <seq>', 'what people wrote in this event').argParser(collectSeq))
    .addOption(option('--reason <text>', 'why, for the event log'))
    .addOption(option('--dry-run', 'look and tell, and change nothing'))
    .action((objects: string[], flags: EraseFlags, command: Command) =>
      runCommand(command, (session) => erase(session, objects, flags)),
    );
}

async function erase(session: Session, objects: string[], flags: EraseFlags): Promise<void> {
  const { name: names = [], mentioning = [], event: events = [], reason, dryRun = false } = flags;
  const demand: ErasureDemand = {
    order: required(flags.order, '--order'),
    ...{ names, mentioning, events, objects, dryRun },
    ...(reason !== undefined && { reason }),
  };
  if ([names, mentioning, events, objects].every(({ length }) => length === 0)) {
    const message =
      'Nothing to erase is named. Give objects, --name, --mentioning or --event; --dry-run shows what would go.';
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
  }
  const store = await session.openStore();
  tell(session, await store.erase(demand));
}

function tell(session: Session, report: ErasureReport): Promise<void> {
  const { order, dryRun, textCount, texts, objects, standing, remains, events } = report;
  const does = dryRun ? 'would be erased' : 'erased';
  if (dryRun)
    for (const { text = '', isActor } of texts)
      session.output.note(`${isActor ? 'name' : 'text'}  ${printable(text)}`, { text, isActor });
  for (const name of standing)
    session.output.note(
      `"${printable(name)}" stands in events that a former version wrote, in their very bytes: those stay. docs/retention.md says what can be done.`,
      { name, standing: true },
    );
  if (remains)
    session.output.note(
      'Others were reading the log: something may be left in its files until all of them have closed it.',
      { remains },
    );
  const freed = objects.reduce((sum, { freedSize }) => sum + freedSize, 0);
  const where = events.length === 0 ? '' : ` (event ${events.join(', ')})`;
  return session.output.result(
    `${formatItems(textCount, 'text')} and ${formatItems(objects.length, 'object')} ${does} under the order ${order}${dryRun ? '' : `, ${formatSize(freed)} freed`}${where}`,
    report,
  );
}

function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

function collectSeq(text: string, before: readonly number[] = []): number[] {
  const seq = Number(text);
  if (Number.isSafeInteger(seq) && seq > 0) return [...before, seq];
  throw new InvalidArgumentError(`"${text}" is none: give the seq of an event.`);
}
