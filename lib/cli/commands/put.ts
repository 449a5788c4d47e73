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

/** Files on their way at once: enough that small ones fill the batches that share a durable commit, while the next ones are read. */
const IN_FLIGHT_MAX = 1024;

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

  const work = (found: Found) => ingest(session, store, found, expect, totals);
  for await (const { item, outcome } of inOrder(sources(session, paths, avoid), IN_FLIGHT_MAX, work)) {
    if (outcome.status === 'rejected') settleFailure(session, outcome.reason, item);
    else if (outcome.value) await report(session, item, outcome.value, totals);
    else if (item.kind === 'skipped') noteSkipped(session, item.path, item.reason);
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

async function* sources(session: Session, paths: Buffer[], avoid: FolderIdentity): AsyncGenerator<Found> {
  for (const path of paths) {
    if (isStdin(path)) {
      yield { kind: 'file', path };
      continue;
    }
    for await (const found of walk(path, avoid)) {
      if (session.signal.aborted) return;
      yield found;
    }
  }
}

/** Stores one file; nothing for what is not a file. */
async function ingest(
  session: Session,
  store: Store,
  found: Found,
  expect: string | undefined,
  totals: Totals,
): Promise<PutResult | undefined> {
  if (found.kind === 'failed') throw found.error;
  if (found.kind === 'skipped') return undefined;
  const source = isStdin(found.path) ? process.stdin : { path: absolutePath(found.path) };
  return store.put(source, {
    onProgress: adding(totals),
    signal: session.signal,
    ...(expect !== undefined && { expect: expect as Digest }),
  });
}

/** What one file reports of its way, added to the whole. */
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

function report(session: Session, { path }: Found, result: PutResult, totals: Totals): Promise<void> {
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
  for await (const { kind, path } of sources(session, paths, avoid)) {
    if (kind !== 'file') continue;
    size += await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    count++;
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
