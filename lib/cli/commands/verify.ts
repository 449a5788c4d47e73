/** `artifactstore verify`: re-reads objects and computes their digests anew; one, some or all. */

import { Command } from 'commander';
import { isStoreError } from '../../errors.js';
import type { Store, VerifyReport } from '../../store.js';
import { EXIT } from '../exit.js';
import { formatItems, formatRanges, formatSize } from '../format.js';
import type { Tally } from '../progress.js';
import { runCommand, type Session } from '../session.js';
import { inOrder } from '../window.js';

/** Objects verified at once: the reading of some overlaps with the digests and events of others; more gained 10% at most. */
const IN_FLIGHT_MAX = 4;

export function verifyCommand(): Command {
  return new Command('verify')
    .description('Re-read objects and compute their digests anew: those named, or all.')
    .argument('[digests...]', 'either digest, or an unambiguous prefix of one')
    .action((digests: string[], _flags: object, command: Command) =>
      runCommand(command, (session) => verify(session, digests)),
    );
}

interface Totals extends Tally {
  label: string;
  size: number;
  count: number;
  damaged: number;
}

async function verify(session: Session, digests: string[]): Promise<void> {
  const store = await session.openStore();
  const whole = digests.length === 0;
  const totals: Totals = { label: 'verify', size: 0, count: 0, noun: 'objects', damaged: 0 };
  if (whole) {
    const { size, objects } = await store.usage();
    Object.assign(totals, { sizeTotal: size, countTotal: objects });
  }
  session.output.startProgress(totals);
  const names = whole ? everything(session, store) : named(session, digests);
  for await (const { item, outcome } of inOrder(names, IN_FLIGHT_MAX, (name) => store.verify(name))) {
    if (outcome.status === 'fulfilled') await report(session, outcome.value, whole, totals);
    // One deleted between listing and verifying is no longer ours to check.
    else if (!(whole && isStoreError(outcome.reason, 'AS_ERR_GONE'))) session.fail(outcome.reason, { digest: item });
  }
  session.signal.throwIfAborted();
  session.output.stopProgress();
  await summarise(session, totals, whole);
}

async function* named(session: Session, digests: string[]): AsyncGenerator<string> {
  for (const digest of digests) {
    if (session.signal.aborted) return;
    yield digest;
  }
}

/** Every object that should be readable, and those known to be damaged: they may have been healed underneath. */
async function* everything(session: Session, store: Store): AsyncGenerator<string> {
  let cursor: string | undefined;
  do {
    const page = await store.list(cursor === undefined ? {} : { cursor });
    for (const { blake3, state } of page.objects) {
      if (session.signal.aborted) return;
      if (state === 'live' || state === 'corrupt') yield blake3;
    }
    cursor = page.cursor;
  } while (cursor !== undefined);
}

/** Damage is always told; what is whole only when it was asked for by name, or to a program. */
async function report(session: Session, found: VerifyReport, whole: boolean, totals: Totals): Promise<void> {
  const { record, status, size, damaged, repaired } = found;
  totals.count++;
  totals.size += record.size;
  if (status !== 'intact') {
    totals.damaged++;
    session.failWith(EXIT.damage);
  } else if (session.output.quiet || (whole && !session.output.json)) {
    return;
  }
  await session.output.result(`${record.blake3}  ${describe(found)}`, {
    blake3: record.blake3,
    sha256: record.sha256,
    status,
    size,
    damaged,
    repaired,
  });
}

function describe({ status, damaged, repaired }: VerifyReport): string {
  if (status === 'corrupt') return `corrupt at bytes ${formatRanges(damaged)}`;
  return repaired ? `${status}, its outboard was damaged and has been rewritten` : status;
}

async function summarise(session: Session, { count, size, damaged }: Totals, whole: boolean): Promise<void> {
  if (session.output.quiet || session.output.json || !whole) return;
  const result = damaged === 0 ? 'all intact' : `${formatItems(damaged, 'object')} damaged`;
  await session.output.write(`${formatItems(count, 'object')}, ${formatSize(size)}: ${result}\n`);
}
