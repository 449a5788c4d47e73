/** `artifactstore retention`: what would go, and having it go. */

import { Command } from 'commander';
import { ArtifactStoreError } from '../../errors.js';
import type { PlanRecord } from '../../registry/retention.js';
import { formatDuration } from '../../retention/duration.js';
import type { PlanLine, PlanSummary } from '../../store/retention-plans.js';
import { formatCount, formatItems, formatSize, formatTime, printable } from '../format.js';
import { integer, option } from '../options.js';
import type { Tally } from '../progress.js';
import { runCommand, type Session } from '../session.js';

interface PlanFlags {
  show?: string;
  dryRun?: boolean;
  brief?: boolean;
}

interface ApplyFlags {
  plan?: string;
  throttle?: number;
}

export function retentionCommand(): Command {
  const plan = new Command('plan')
    .description('Say what the policies let go, object by object, and what keeps some of it; keep that as a plan.')
    .addOption(option('--show <plan>', 'show a plan that was made, instead of making one'))
    .addOption(option('--dry-run', 'only look: no plan is kept'))
    .addOption(option('--brief', 'versions alone, without their objects'))
    .action((flags: PlanFlags, command: Command) => runCommand(command, (session) => makePlan(session, flags)));
  const apply = new Command('apply')
    .description('Carry out a plan: just what it says, or nothing when that would not go any more.')
    .addOption(option('--plan <plan>', 'which, as "retention plan" names it'))
    .addOption(
      option('--throttle <objects>', 'so many objects a second at most').argParser(integer(1, Number.MAX_SAFE_INTEGER)),
    )
    .action((flags: ApplyFlags, command: Command) => runCommand(command, (session) => applyPlan(session, flags)));
  const status = new Command('status')
    .description('Show the time of the log, and the newest plans.')
    .action((_flags: object, command: Command) => runCommand(command, showStatus));
  return new Command('retention')
    .description('Plan what goes by the policies, and carry plans out.')
    .addCommand(plan)
    .addCommand(apply)
    .addCommand(status);
}

async function makePlan(session: Session, { show, dryRun = false, brief = false }: PlanFlags): Promise<void> {
  const { output, signal } = session;
  const { retention } = await session.openStore();
  const shown = { objects: !brief };
  const run =
    show === undefined ? await retention.planRun({ ...shown, record: !dryRun }) : await retention.showPlan(show, shown);
  const { summary } = run;
  for await (const one of run) {
    signal.throwIfAborted();
    await output.resultSoon(
      () => Buffer.from(`${lineOf(one, summary)}\n`),
      () => one,
    );
  }
  await output.flush();
  await output.result(sums(summary), { kind: 'plan', ...summary });
  if (summary.plan === undefined || summary.appliedAt !== undefined) return;
  if (summary.versions + summary.objects > 0) {
    const call = `artifactstore retention apply --plan ${summary.plan}`;
    output.note(`nothing has gone yet; to carry it out: ${call}`, { apply: call });
  }
}

function lineOf(line: PlanLine, { time }: PlanSummary): string {
  if (line.kind === 'object') return `    ${line.blake3}  ${formatSize(line.size)}`;
  if (line.kind === 'held') {
    const until = line.until === undefined ? '' : ` until ${formatTime(line.until)}`;
    return `${line.what}  stays${until}: ${printable(line.because)} (${line.by} ${printable(line.name)})`;
  }
  const { version = 'objects of no version', because, since, grace, count, storedSize, refs } = line;
  const taken = refs.length === 0 ? '' : `, with the refs ${refs.join(', ')}`;
  const back = grace === 0 ? 'for good' : `can be brought back for ${formatDuration(grace)}`;
  const when = since < time ? `, since ${formatTime(since)}` : '';
  return `${version}  goes${taken}: ${printable(because)}${when}; ${formatItems(count, 'object')}, ${formatSize(storedSize)}, ${back}`;
}

function sums({ plan, versions, objects, storedSize, held, more, appliedAt }: PlanSummary): string {
  const what = `${formatItems(versions, 'version')}, ${formatItems(objects, 'object')}, ${formatSize(storedSize)}`;
  const stays = held === 0 ? '' : `; ${formatItems(held, 'thing')} ${held === 1 ? 'stays' : 'stay'} all the same`;
  const left = more === 0 ? '' : `; ${formatItems(more, 'version')} left to the next plan`;
  const verb = appliedAt === undefined ? 'to go' : `gone on ${formatTime(appliedAt)}`;
  return `${plan === undefined ? 'no plan kept' : `plan ${plan}`}: ${what} ${verb}${stays}${left}`;
}

async function applyPlan(session: Session, { plan, throttle }: ApplyFlags): Promise<void> {
  if (plan === undefined) {
    const message = 'Which plan is missing. Give --plan with what "retention plan" or "retention status" shows.';
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
  }
  const { output, signal } = session;
  const { retention } = await session.openStore();
  const tally: Tally = { label: 'retention', count: 0, noun: 'objects', size: 0 };
  output.startProgress(tally);
  const report = await retention.apply(plan, {
    signal,
    ...(throttle !== undefined && { throttle }),
    onProgress: ({ objects, total }) => Object.assign(tally, { count: objects, countTotal: total }),
  });
  output.stopProgress();
  const { versions, objects, storedSize, kept, keptCount } = report;
  for (const one of kept) output.note(`${one.address}  stays after all: ${printable(one.because)}`, one);
  const stays = keptCount === 0 ? '' : `; ${formatItems(keptCount, 'object')} stayed after all`;
  const what = `${formatItems(versions, 'version')}, ${formatItems(objects, 'object')}, ${formatSize(storedSize)}`;
  await output.result(`plan ${report.plan} carried out: ${what} gone${stays}`, report);
  signal.throwIfAborted();
}

async function showStatus(session: Session): Promise<void> {
  const { output } = session;
  const { retention } = await session.openRegistry();
  const status = await retention.status();
  if (output.json) return output.result('', status);
  await output.result(
    `time of the log: ${formatTime(status.now)}; ${status.policies === 1 ? '1 policy' : `${formatCount(status.policies)} policies`}`,
    {},
  );
  for (const plan of status.plans) await output.result(planLine(plan), plan);
}

function planLine({ plan, plannedAt, actor, versions, objects, storedSize, startedAt, appliedAt }: PlanRecord): string {
  const what = `${formatItems(versions, 'version')}, ${formatItems(objects, 'object')}, ${formatSize(storedSize)}`;
  const begun = startedAt === undefined ? 'not carried out' : `begun ${formatTime(startedAt)}, to be gone on with`;
  const state = appliedAt === undefined ? begun : `carried out ${formatTime(appliedAt)}`;
  return `${plan}  ${formatTime(plannedAt)}  ${printable(actor)}  ${what}  ${state}`;
}
