/**
 * `artifactstore put`: files, folders and standard input into the store. Imports the library's types; the session opens the store.
 */

import { stat } from 'node:fs/promises';
import { Command } from 'commander';
import type { Digest } from '../../dataplane/spi.js';
import { ArtifactStoreError, isStoreError } from '../../errors.js';
import type { PutResult, Store } from '../../store.js';
import { digestLine, formatItems, formatSize, showPath } from '../format.js';
import { option } from '../options.js';
import type { Tally } from '../progress.js';
import { pathJson } from '../record.js';
import { runCommand, type Session } from '../session.js';
import { absolutePath, type FolderIdentity, type Found, rawPaths, walk } from '../walk.js';
import { inOrder } from '../window.js';

interface PutFlags {
  expect?: string;
}

/** Files stored in one call, and such calls under way: one is reading and hashing, one in the log, one being reported. */
const LIST_MAX = 1024;
const LISTS_IN_FLIGHT_MAX = 4;

const STDIN = Buffer.from('-');

export function putCommand(): Command {
  return new Command('put')
    .description('Store files, folders and standard input; print the digest of each file.')
    .argument('<paths...>', 'files and folders; - is standard input')
    .addOption(option('--expect <digest>', 'the digest that a single file must have, or it is not stored'))
    .action((paths: string[], flags: PutFlags, command: Command) =>
      runCommand(command, (session) => put(session, rawPaths(paths), flags)),
    );
}

/** What a run has done, for the summary. */
interface Totals extends Tally {
  label: string;
  size: number;
  count: number;
  known: number;
}

async function put(session: Session, paths: Buffer[], { expect }: PutFlags): Promise<void> {
  await requireSensible(paths, expect);
  const store = await session.openStore({ create: true });
  const avoid = await stat(store.path, { bigint: true });
  const totals: Totals = { label: 'put', size: 0, count: 0, noun: 'files', known: 0 };
  const began = performance.now();
  session.output.startProgress(totals);
  if (session.output.showsProgress) void measure(session, paths, avoid, totals);

  const work = (list: readonly Found[]) => ingest(session, store, list, expect, totals);
  for await (const { item, outcome } of inOrder(sources(session, paths, avoid), LISTS_IN_FLIGHT_MAX, work)) {
    if (outcome.status === 'rejected') session.stop(outcome.reason as Error);
    else await reportAll(session, item, outcome.value, totals);
  }
  await session.output.flush();
  // What is stored has been listed by now, whatever ended the loop.
  session.signal.throwIfAborted();
  summarise(session, totals, (performance.now() - began) / 1000);
}

/** @throws AS_ERR_INVALID_ARGUMENT */
async function requireSensible(paths: Buffer[], expect: string | undefined): Promise<void> {
  if (paths.filter(isStdin).length > 1) throw usage('Standard input can be stored only once; name - once.');
  if (expect === undefined) return;
  const single = paths.length === 1 && (isStdin(paths[0] as Buffer) || !(await isFolder(paths[0] as Buffer)));
  if (!single) throw usage('--expect takes a single file or -, because one digest names one file.');
}

async function* sources(session: Session, paths: Buffer[], avoid: FolderIdentity): AsyncGenerator<Found[]> {
  for (const path of paths) {
    if (isStdin(path)) {
      yield [{ kind: 'file', path }];
      continue;
    }
    for await (const list of walk(path, LIST_MAX, avoid)) {
      if (session.signal.aborted) return;
      yield list;
    }
  }
}

/** Stores the files of a list; nothing for what is not a file. */
async function ingest(
  session: Session,
  store: Store,
  list: readonly Found[],
  expect: string | undefined,
  totals: Totals,
): Promise<Iterable<PutResult | Error>> {
  const files = list.filter(({ kind }) => kind === 'file');
  const options = { onProgress: adding(totals), signal: session.signal };
  const [first] = files;
  if (first !== undefined && (isStdin(first.path) || expect !== undefined)) {
    const source = isStdin(first.path) ? process.stdin : { path: absolutePath(first.path) };
    const expected = expect !== undefined && { expect: expect as Digest };
    return [await store.put(source, { ...options, ...expected }).catch((error: Error) => error)];
  }
  return store.putMany(
    files.map(({ path }) => ({ path: absolutePath(path) })),
    options,
  );
}

/** Tells what became of each of a list, in its order. */
async function reportAll(
  session: Session,
  list: readonly Found[],
  results: Iterable<PutResult | Error>,
  totals: Totals,
): Promise<void> {
  const files = results[Symbol.iterator]();
  for (const found of list) {
    if (found.kind === 'skipped') noteSkipped(session, found.path, found.reason);
    else if (found.kind === 'failed') settleFailure(session, found.error, found);
    else {
      const result = files.next().value as PutResult | Error;
      if (result instanceof Error) settleFailure(session, result, found);
      else await report(session, found, result, totals);
    }
  }
}

/** What one call reports of its way, added to the whole. */
function adding(totals: Totals): (size: number) => void {
  let taken = 0;
  return (size) => {
    totals.size += size - taken;
    taken = size;
  };
}

/** A file that cannot be read does not keep the others out; anything else ends the run. */
function settleFailure(session: Session, error: unknown, { path }: Found): void {
  const goesOn = isStoreError(error, 'AS_ERR_SOURCE_UNREADABLE', 'AS_ERR_SOURCE_CHANGED', 'AS_ERR_CONFLICT');
  if (goesOn) session.fail(error, pathJson(path));
  else session.stop(error as Error);
}

function report(session: Session, { path }: Found, result: PutResult, totals: Totals): Promise<void> | undefined {
  totals.count++;
  if (result.existed) totals.known++;
  return session.output.resultSoon(
    () => digestLine(result.blake3, path),
    () => resultJson(path, result),
  );
}

function resultJson(path: Buffer, { blake3, sha256, size, existed, healed, receipts, event }: PutResult) {
  const { seq, id, time } = event;
  return { ...pathJson(path), blake3, sha256, size, existed, healed, receipts, event: { seq, id, time } };
}

function noteSkipped(session: Session, path: Buffer, reason: string): void {
  session.output.note(`skipped ${showPath(path)}: ${reason}`, { skipped: { ...pathJson(path), reason } });
}

/** Looks ahead of the run, so that the progress line knows how much there is. */
async function measure(session: Session, paths: Buffer[], avoid: FolderIdentity, totals: Totals): Promise<void> {
  if (paths.some(isStdin)) return;
  let [size, count] = [0, 0];
  for await (const list of sources(session, paths, avoid)) {
    for (const { kind, path } of list) {
      if (kind !== 'file') continue;
      size += await stat(path).then(
        (found) => found.size,
        () => 0,
      );
      count++;
    }
  }
  totals.sizeTotal = size;
  totals.countTotal = count;
}

function summarise(session: Session, { count, size, known }: Totals, seconds: number): void {
  session.output.stopProgress();
  if (!session.output.showsProgress || count < 2) return;
  const rate = formatSize(Math.round(size / Math.max(seconds, 0.001)));
  session.output.note(
    `${formatItems(count, 'file')}, ${formatSize(size)} in ${seconds.toFixed(1)} s (${rate}/s); ${formatItems(known, 'file')} known before`,
    { files: count, size, known, seconds },
  );
}

async function isFolder(path: Buffer): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function isStdin(path: Buffer): boolean {
  return path.equals(STDIN);
}

function usage(message: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
}
