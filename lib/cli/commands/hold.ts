/** `artifactstore hold`: what must stay until somebody says otherwise. */

import { Command } from 'commander';
import { ArtifactStoreError } from '../../errors.js';
import type { HoldRecord } from '../../registry/retention.js';
import { formatTime, printable } from '../format.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';

export const THING =
  'an object by a digest, namespace/name@version, namespace/name, or namespace/ with a slash at its end';

interface HoldFlags {
  case?: string;
  reason?: string;
}

export function holdCommand(): Command {
  const caseOption = () => option('--case <id>', 'which case it is for');
  const place = new Command('place')
    .description('Place a hold: nothing and nobody deletes the thing, nor what it needs, until it is released.')
    .argument('<thing>', THING)
    .addOption(caseOption())
    .addOption(option('--reason <text>', 'why it has to stay'))
    .action((thing: string, flags: HoldFlags, command: Command) =>
      runCommand(command, (session) => placeHold(session, thing, flags)),
    );
  const release = new Command('release')
    .description('Release a hold; others on the same thing stay.')
    .argument('<thing>', THING)
    .addOption(caseOption())
    .addOption(option('--reason <text>', 'why, for the event log'))
    .action((thing: string, flags: HoldFlags, command: Command) =>
      runCommand(command, (session) => releaseHold(session, thing, flags)),
    );
  const ls = new Command('ls')
    .description('List the holds that have not been released.')
    .argument('[thing]', `only those on it: ${THING}`)
    .action((thing: string | undefined, _flags: object, command: Command) =>
      runCommand(command, (session) => listHolds(session, thing)),
    );
  return new Command('hold')
    .description('Place, release and list holds: what must stay until somebody says otherwise.')
    .addCommand(place)
    .addCommand(release)
    .addCommand(ls);
}

async function placeHold(session: Session, thing: string, { case: id, reason }: HoldFlags): Promise<void> {
  const given = { case: required(id, '--case'), reason: required(reason, '--reason') };
  const store = await session.openStore();
  const hold = await store.retention.hold(thing, given);
  await session.output.result(line(hold), hold);
}

async function releaseHold(session: Session, thing: string, { case: id, ...flags }: HoldFlags): Promise<void> {
  const given = { case: required(id, '--case'), ...flags };
  const store = await session.openStore();
  const hold = await store.retention.release(thing, given);
  await session.output.result(`${line(hold)}  released`, { ...hold, released: true });
}

async function listHolds(session: Session, thing: string | undefined): Promise<void> {
  const { retention } = await session.openRegistry();
  let cursor: string | undefined;
  do {
    const page = await retention.holds({
      ...(thing !== undefined && { subject: thing }),
      ...(cursor !== undefined && { cursor }),
    });
    for (const hold of page.holds) await session.output.result(line(hold), hold);
    cursor = page.cursor;
  } while (cursor !== undefined);
}

function line({ subject, case: id, reason, placedAt, actor }: HoldRecord): string {
  return `${subject}  ${printable(id)}  ${formatTime(placedAt)}  ${printable(actor)}: ${printable(reason)}`;
}

/** Throws AS_ERR_INVALID_ARGUMENT. */
export function required(value: string | undefined, option: string): string {
  if (value !== undefined) return value;
  throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `${option} is missing. Give it.`, { option });
}
