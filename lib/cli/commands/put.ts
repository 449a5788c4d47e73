/**
 * `artifactstore put`: files, folders and standard input into the store. Imports the library's types; the session opens the store.
 */

import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { type Digest, pathAt } from '../../dataplane/spi.js';
import { ArtifactStoreError, isStoreError } from '../../errors.js';
import { PutResults } from '../../store/put-results.js';
import type { Stored, StoreVerbs } from '../../store/verbs.js';
import { digestLine, formatItems, formatSize, showPath } from '../format.js';
import { option } from '../options.js';
import { pathLines } from '../path-lines.js';
import type { Tally } from '../progress.js';
import { pathJson } from '../record.js';
import { runCommand, type Session } from '../session.js';
import { type Found, oneFile, rawPaths, walk } from '../walk.js';
import { inOrder } from '../window.js';

interface PutFlags {
  expect?: string;
}

/** Files stored in one call, and such calls under way: two are read and hashed, one is in the log, one being reported, and some may wait for the log before files do. */
const LIST_MAX = 1024;
/** Files of the first list: the log, which is the last to have something to do, begins so much sooner. */
const LIST_FIRST = 128;
const LISTS_IN_FLIGHT_MAX = 12;

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

/** What became of the files of a list: of all of them, or of the one. */
type Results = Awaited<ReturnType<StoreVerbs['putMany']>> | Stored | Error | undefined;

/** What a run has done, for the summary. */
interface Totals extends Tally {
  label: string;
  size: number;
  count: number;
  known: number;
}

async function put(session: Session, paths: Buffer[], { expect }: PutFlags): Promise<void> {
  useOneThread(session);
  await requireSensible(paths, expect);
  const totals: Totals = { label: 'put', size: 0, count: 0, noun: 'files', known: 0 };
  const began = Date.now();
  const opening = session.openStore({ create: true });
  opening.catch(() => undefined); // reported where it is awaited
  const avoid = resolve(session.options.store);
  session.output.startProgress(totals);
  if (session.output.showsProgress) void measure(session, paths, avoid, totals);

  const work = async (found: Found) => ingest(session, await opening, found, expect, totals);
  for await (const { item, outcome } of inOrder(sources(session, paths, avoid), LISTS_IN_FLIGHT_MAX, work)) {
    if (outcome.status === 'rejected') session.stop(outcome.reason as Error);
    else await reportAll(session, item, outcome.value, totals);
  }
  await opening;
  await session.output.flush();
  // What is stored has been listed by now, whatever ended the loop.
  session.signal.throwIfAborted();
  summarise(session, totals, (Date.now() - began) / 1000);
}

/**
 * What a put has to do on libuv's threads are statements of the log, one after the other. Four threads take turns at them, and each finds neither in the processor's caches nor in its
 * own part of the heap what the one before left there: 3 percent of a put. Read by libuv when it first needs a thread. Where a person watches, all files are looked at beside that.
 */
function useOneThread({ output }: Session): void {
  if (!output.showsProgress) process.env.UV_THREADPOOL_SIZE ??= '1';
}

/** @throws AS_ERR_INVALID_ARGUMENT */
async function requireSensible(paths: Buffer[], expect: string | undefined): Promise<void> {
  if (paths.filter(isStdin).length > 1) throw usage('Standard input can be stored only once; name - once.');
  if (expect === undefined) return;
  const single = paths.length === 1 && (isStdin(paths[0] as Buffer) || !(await isFolder(paths[0] as Buffer)));
  if (!single) throw usage('--expect takes a single file or -, because one digest names one file.');
}

async function* sources(session: Session, paths: Buffer[], avoid: string): AsyncGenerator<Found> {
  for (const path of paths) {
    if (isStdin(path)) {
      yield { files: oneFile(path), hidden: 0, others: [] };
      continue;
    }
    for await (const list of walk(path, LIST_MAX, LIST_FIRST, avoid)) {
      if (session.signal.aborted) return;
      yield list;
    }
  }
}

/** Stores the files of a list. */
async function ingest(
  session: Session,
  store: StoreVerbs,
  { files }: Found,
  expect: string | undefined,
  totals: Totals,
): Promise<Results> {
  if (files.ends.length === 0) return undefined;
  const options = { ...(session.output.showsProgress && { onProgress: adding(totals) }), signal: session.signal };
  if (!isStdin(files.paths) && expect === undefined) return store.putMany(files, options);
  const source = isStdin(files.paths) ? process.stdin : { path: files.paths };
  const expected = expect !== undefined && { expect: expect as Digest };
  return store.put(source, { ...options, ...expected }).catch((error: Error) => error);
}

/** Tells what became of each of a list, in its order. */
async function reportAll(session: Session, found: Found, results: Results, totals: Totals): Promise<void> {
  let from = 0;
  for (const { before, other } of found.others) {
    await reportFiles(session, found, results, totals, from, before);
    from = before;
    if (other.kind === 'skipped') noteSkipped(session, other.path, other.reason);
    else settleFailure(session, other.error, other.path);
  }
  await reportFiles(session, found, results, totals, from, found.files.ends.length);
}

/** Tells what became of some of the files. */
async function reportFiles(
  session: Session,
  found: Found,
  results: Results,
  totals: Totals,
  from: number,
  to: number,
): Promise<void> {
  const { files, hidden } = found;
  const isMany = results instanceof PutResults && !session.output.json;
  if (isMany && (await reportTogether(session, found, results, totals, from, to))) return;
  for (let index = from; index < to; index++) {
    const path = Buffer.from(pathAt(files, index).subarray(hidden));
    const result = results instanceof PutResults || Array.isArray(results) ? results.at(index) : (results as Stored);
    if (result instanceof Error) settleFailure(session, result, path);
    else if (result !== undefined) await report(session, path, result, totals);
  }
}

/** Tells of files that are all stored, in lines that are written all at once. Resolves to whether it has: it has not where some are not, or have unusual names. */
async function reportTogether(
  session: Session,
  { files, hidden }: Found,
  results: PutResults,
  totals: Totals,
  from: number,
  to: number,
): Promise<boolean> {
  const table = results.wholeTable;
  const lines = table && pathLines(table, files, hidden, from, to);
  if (table === undefined || lines === undefined) return false;
  totals.count += to - from;
  for (let index = from; index < to; index++) if (table.existed[index] === 1) totals.known++;
  await session.output.writeSoon(lines);
  return true;
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
function settleFailure(session: Session, error: unknown, path: Buffer): void {
  const goesOn = isStoreError(error, 'AS_ERR_SOURCE_UNREADABLE', 'AS_ERR_SOURCE_CHANGED', 'AS_ERR_CONFLICT');
  if (goesOn) session.fail(error, pathJson(path));
  else session.stop(error as Error);
}

function report(session: Session, path: Buffer, result: Stored, totals: Totals): Promise<void> | undefined {
  totals.count++;
  if (result.existed) totals.known++;
  return session.output.resultSoon(
    () => digestLine(result.blake3, path),
    () => resultJson(path, result),
  );
}

function resultJson(path: Buffer, { blake3, sha256, size, existed, healed, receipts, event }: Stored) {
  const { seq, id, time } = event;
  return { ...pathJson(path), blake3, sha256, size, existed, healed, receipts, event: { seq, id, time } };
}

function noteSkipped(session: Session, path: Buffer, reason: string): void {
  session.output.note(`skipped ${showPath(path)}: ${reason}`, { skipped: { ...pathJson(path), reason } });
}

/** Looks ahead of the run, so that the progress line knows how much there is. */
async function measure(session: Session, paths: Buffer[], avoid: string, totals: Totals): Promise<void> {
  if (paths.some(isStdin)) return;
  let [size, count] = [0, 0];
  for await (const { files } of sources(session, paths, avoid)) {
    for (let index = 0; index < files.ends.length; index++) {
      size += await stat(Buffer.from(pathAt(files, index))).then(
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

function isStdin(path: Uint8Array): boolean {
  return STDIN.equals(path);
}

function usage(message: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
}
