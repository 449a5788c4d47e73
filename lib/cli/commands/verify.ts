/** `artifactstore verify`: re-reads objects and computes their digests anew; one, some, a sample or all. */

import { Command, InvalidArgumentError } from 'commander';
import { ArtifactStoreError } from '../../errors.js';
import type { ScrubRun, StoreVerbs } from '../../store/verbs.js';
import type { Sample, ScrubOptions, ScrubReport } from '../../store.js';
import { EXIT } from '../exit.js';
import { formatItems, formatRanges, formatSize } from '../format.js';
import { option } from '../options.js';
import type { Tally } from '../progress.js';
import { runCommand, type Session } from '../session.js';
import { inOrder } from '../window.js';

/** Named objects verified at once: the reading of some overlaps with the digests and events of others. */
const IN_FLIGHT_MAX = 16;

interface VerifyFlags {
  quick?: boolean;
  sample?: Sample;
  seed?: string;
  olderThan?: number;
  throttle?: number;
  resume?: boolean;
}

export function verifyCommand(): Command {
  return new Command('verify')
    .description('Re-read objects and compute their digests anew: those named, or all.')
    .argument('[digests...]', 'either digest, or an unambiguous prefix of one')
    .addOption(option('--quick', 'compute BLAKE3 alone: finds the same damage, leaves SHA-256 unchecked'))
    .addOption(option('--sample <part>', 'only a part of the objects: 5%, or a number of them').argParser(parseSample))
    .addOption(option('--seed <text>', 'which sample: the same text, the same objects (default: random, and told)'))
    .addOption(option('--older-than <age>', 'only those not found intact within it: 7d, 12h, 30m').argParser(parseAge))
    .addOption(option('--throttle <rate>', 'read no more on average than, say, 100MB/s').argParser(parseRate))
    .addOption(option('--resume', 'go on with the verification that was interrupted, as it was begun'))
    .action((digests: string[], flags: VerifyFlags, command: Command) =>
      runCommand(command, (session) => verify(session, digests, flags)),
    );
}

const AGE_UNITS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
};

/** `5%`, `0.1%`, or a number of objects. */
export function parseSample(text: string): Sample {
  const [, number, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  const value = Number(number);
  if (percent === '%' && value > 0 && value <= 100) return { share: value / 100 };
  if (percent === '' && Number.isSafeInteger(value) && value > 0) return { count: value };
  throw new InvalidArgumentError('Give a share above 0% and at most 100%, or a number of objects: 5%, 1000.');
}

/** `90s`, `30m`, `12h`, `7d`, `2w`, in milliseconds. */
export function parseAge(text: string): number {
  const [, number, unit = ''] = /^(\d+)([smhdw])$/.exec(text) ?? [];
  const age = Number(number) * (AGE_UNITS[unit] ?? Number.NaN);
  if (Number.isSafeInteger(age)) return age;
  throw new InvalidArgumentError('Give a number and s, m, h, d or w: 30m, 12h, 7d.');
}

/** `100MB/s`, `50MiB`, `1000000`, in bytes a second: kB, MB and GB are powers of 1000, KiB, MiB and GiB of 1024. */
export function parseRate(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) ?(|[kmg]i?)b?(?:\/s)?$/i.exec(text) ?? [];
  const rate = Number(number) * (SIZE_UNITS[unit.toLowerCase()] ?? Number.NaN);
  if (rate >= 1 && Number.isFinite(rate)) return rate;
  throw new InvalidArgumentError('Give bytes a second with a unit: 100MB/s, 50MiB/s.');
}

interface Totals extends Tally {
  label: string;
  size: number;
  count: number;
  damaged: number;
}

/** One object and what was found. */
interface Found {
  blake3: string;
  sha256: string;
  /** Bytes that it should have. */
  recorded: number;
  status: string;
  size: number;
  damaged: readonly { start: number; end: number }[];
  repaired: boolean;
}

async function verify(session: Session, digests: string[], flags: VerifyFlags): Promise<void> {
  if (digests.length > 0) refuseForNamed(flags);
  const store = await session.openStore();
  const totals: Totals = { label: 'verify', size: 0, count: 0, noun: 'objects', damaged: 0 };
  if (digests.length > 0) await verifyNamed(session, store, digests, flags, totals);
  else await verifyMany(session, store, flags, totals);
}

function refuseForNamed({ sample, seed, olderThan, throttle, resume }: VerifyFlags): void {
  if ((sample ?? seed ?? olderThan ?? throttle ?? resume) === undefined) return;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    'Of objects that are named, all are verified now: leave out --sample, --seed, --older-than, --throttle and --resume, or the digests.',
  );
}

async function verifyNamed(
  session: Session,
  store: StoreVerbs,
  digests: string[],
  flags: VerifyFlags,
  totals: Totals,
): Promise<void> {
  session.output.startProgress(totals);
  const options = flags.quick ? { digests: 'blake3' as const } : {};
  const work = (name: string) => store.verify(name, options);
  for await (const { item, outcome } of inOrder(named(session, digests), IN_FLIGHT_MAX, work)) {
    if (outcome.status === 'rejected') {
      session.fail(outcome.reason, { digest: item });
      continue;
    }
    const { record, status, size, damaged, repaired } = outcome.value;
    const { blake3, sha256, size: recorded } = record;
    await report(session, { blake3, sha256, recorded, status, size, damaged, repaired }, false, totals);
  }
  session.signal.throwIfAborted();
}

async function* named(session: Session, digests: string[]): AsyncGenerator<string> {
  for (const digest of digests) {
    if (session.signal.aborted) return;
    yield digest;
  }
}

async function verifyMany(session: Session, store: StoreVerbs, flags: VerifyFlags, totals: Totals): Promise<void> {
  const scrub = await store.scrub(scrubOptions(session, flags));
  Object.assign(totals, { sizeTotal: scrub.size, countTotal: scrub.count });
  announce(session, scrub);
  session.output.startProgress(totals);
  for await (const found of scrub) await reportScrubbed(session, found, totals);
  session.output.stopProgress();
  if (session.signal.aborted && !store.readOnly) {
    session.output.note('interrupted; `artifactstore verify --resume` goes on from here', { note: 'resumable' });
  }
  session.signal.throwIfAborted();
  await summarise(session, totals);
}

function scrubOptions({ signal }: Session, flags: VerifyFlags): ScrubOptions {
  const { quick, sample, seed, olderThan, throttle, resume } = flags;
  return {
    signal,
    ...(quick && { digests: 'blake3' as const }),
    ...(sample && { sample }),
    ...(seed !== undefined && { seed }),
    ...(olderThan !== undefined && { olderThan }),
    ...(throttle !== undefined && { bytesPerSecond: throttle }),
    ...(resume && { resume }),
  };
}

/** The seed of a sample is told, so that it can be repeated. */
function announce(session: Session, { seed, count }: ScrubRun): void {
  if (seed !== undefined) {
    session.output.note(`sample of ${formatItems(count, 'object')}, seed ${seed}`, { note: 'sample', seed, count });
  }
}

async function reportScrubbed(session: Session, found: ScrubReport, totals: Totals): Promise<void> {
  const { blake3, sha256, size: recorded } = found.object;
  if ('error' in found) {
    session.fail(found.error, { digest: blake3 });
    return;
  }
  const { status, size, damaged, repaired } = found.result;
  await report(session, { blake3, sha256, recorded, status, size, damaged, repaired }, true, totals);
}

/** Damage is always told; what is whole only when it was asked for by name, or to a program. */
async function report(session: Session, found: Found, whole: boolean, totals: Totals): Promise<void> {
  const { recorded, ...told } = found;
  totals.count++;
  totals.size += recorded;
  if (told.status !== 'intact') {
    totals.damaged++;
    session.failWith(EXIT.damage);
  } else if (session.output.quiet || (whole && !session.output.json)) {
    return;
  }
  await session.output.result(`${told.blake3}  ${describe(found)}`, told);
}

function describe({ status, damaged, repaired }: Found): string {
  if (status === 'corrupt') return `corrupt at bytes ${formatRanges(damaged)}`;
  return repaired ? `${status}, its outboard, or one of its copies, was damaged and has been rewritten` : status;
}

async function summarise(session: Session, { count, size, damaged }: Totals): Promise<void> {
  if (session.output.quiet || session.output.json) return;
  const result = damaged === 0 ? 'all intact' : `${formatItems(damaged, 'object')} damaged`;
  await session.output.write(`${formatItems(count, 'object')}, ${formatSize(size)}: ${result}\n`);
}
