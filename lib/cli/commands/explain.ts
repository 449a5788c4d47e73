/** `artifactstore explain`: the story of one thing, in sentences; from the log alone, so also beside a running service. */

import { Command } from 'commander';
import type { Moment } from '../../events/read-all.js';
import { WHY_TITLES, whyIfAny } from '../../retention/why.js';
import type { RegistryVerbs } from '../../store/verbs.js';
import { formatTime, printable } from '../format.js';
import { parseEnd } from '../moment.js';
import { option } from '../options.js';
import { runCommand, type Session } from '../session.js';

export function explainCommand(): Command {
  return new Command('explain')
    .description('Tell the story of one thing: what happened to it, when, and who did it.')
    .argument('<name>', 'an object by either digest or a prefix, or what else events are about')
    .addOption(
      option('--at <moment>', 'the story as it stood then: the seq of an event, or a time').argParser(parseEnd),
    )
    .action((name: string, flags: { at?: Moment }, command: Command) =>
      runCommand(command, (session) => tell(session, name, flags)),
    );
}

async function tell(session: Session, name: string, { at }: { at?: Moment }): Promise<void> {
  const { output, signal } = session;
  const registry = await session.openRegistry();
  const story = await registry.explain(name, at === undefined ? {} : { at });
  if (!output.json) await output.write(`${printable(story.subject)}\n`);
  for await (const told of story) {
    signal.throwIfAborted();
    const { seq, time, sentence } = told;
    await output.result(`  ${formatTime(time)}  ${printable(sentence)} (event ${seq})`, {
      subject: story.subject,
      ...told,
    });
  }
  if (at === undefined) await tellWhy(session, registry, story.subject);
}

/** Behind the story of an object or a version: why it is still here, or why it is gone. Other things are neither. */
async function tellWhy({ output }: Session, registry: RegistryVerbs, subject: string): Promise<void> {
  const why = await whyIfAny(registry.retention, subject);
  if (why === undefined) return;
  if (output.json) return output.result('', { why: why.state, ...why });
  await output.result(`${WHY_TITLES[why.state]}:`, {});
  for (const sentence of why.sentences) await output.result(`  ${printable(sentence)}`, {});
}
