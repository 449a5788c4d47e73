/** `artifactstore rebuild`: drops every view and derives it again from the event log. */

import { Command } from 'commander';
import { formatItems } from '../format.js';
import type { Tally } from '../progress.js';
import { runCommand, type Session } from '../session.js';

export function rebuildCommand(): Command {
  return new Command('rebuild')
    .description('Drop every view and derive it again from the event log.')
    .action((_flags: object, command: Command) => runCommand(command, rebuild));
}

async function rebuild(session: Session): Promise<void> {
  const store = await session.openFolder({}, 'Stop the service, then rebuild its store where it is.');
  const tally: Tally & { count: number } = { label: 'rebuild', count: 0, noun: 'events' };
  session.output.startProgress(tally);
  await store.rebuild(({ events, total }) => {
    tally.count = events;
    tally.countTotal = total;
  });
  session.output.stopProgress();
  const { objects, size } = await store.usage();
  await session.output.result(
    `rebuilt from ${formatItems(tally.count, 'event')}: ${formatItems(objects, 'live object')}`,
    { events: tally.count, objects, size },
  );
}
