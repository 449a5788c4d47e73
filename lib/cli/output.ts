/**
 * Where a command's words go: results to stdout, everything else to stderr; lines for people, or one JSON object a line with `--json`.
 *
 * Node makes its streams when they are first looked at, and loads a dozen of its modules for that: nobody here looks before there is something to write.
 *
 * Imports errors, formatting and the progress line. One a session.
 */

import { fstatSync } from 'node:fs';
import { ArtifactStoreError } from '../errors.js';
import { EXIT, exitCodeOf, Interruption } from './exit.js';
import { printable } from './format.js';
import { Progress, type Tally } from './progress.js';

/** Bytes of results that may wait to be written together: what a pipe takes at once. */
const WAITING_SIZE_MAX = 64 * 1024;

export class Output {
  #progress: Progress | undefined;
  readonly #waiting: Uint8Array[] = [];
  #waitingSize = 0;
  #flushing: NodeJS.Immediate | undefined;
  #terminal: boolean | undefined;
  readonly #watched = new Set<NodeJS.WriteStream>();
  readonly #onError: (() => void) | undefined;

  /** @param onError told when an output fails, and may be told more than once */
  constructor(
    /** Results and errors as JSON. */
    readonly json: boolean,
    /** Only results and errors. */
    readonly quiet: boolean,
    onError?: () => void,
  ) {
    this.#onError = onError;
  }

  /** Whether results go to a person's screen. */
  get terminal(): boolean {
    this.#terminal ??= isDevice(STDOUT) && this.#stdout.isTTY === true;
    return this.#terminal;
  }

  /** Whether a progress line is shown. */
  get showsProgress(): boolean {
    return !this.quiet && isDevice(STDERR) && this.stderr.isTTY === true;
  }

  /** Where everything goes that is no result. */
  get stderr(): NodeJS.WriteStream {
    return this.#watch(process.stderr);
  }

  get #stdout(): NodeJS.WriteStream {
    return this.#watch(process.stdout);
  }

  /** Makes the stream for results, which is going to be needed. */
  open(): void {
    void this.#stdout;
  }

  /** Nobody is told of errors any more. */
  release(): void {
    for (const stream of this.#watched) if (this.#onError !== undefined) stream.off('error', this.#onError);
    this.#watched.clear();
  }

  /**
   * Bytes of a result, as they are. Resolves when the reader has taken them, which is the back-pressure.
   *
   * @throws Interruption when there is no reader any more
   */
  write(bytes: Uint8Array | string): Promise<void> {
    if (this.terminal) this.#progress?.clear();
    return new Promise((resolve, reject) => {
      this.#stdout.write(bytes, (error) => {
        if (error) reject(writeError(error));
        else resolve();
      });
    });
  }

  /** One result: a line of text for people, or the object as JSON. */
  result(text: string | Uint8Array, json: object): Promise<void> {
    if (this.json) return this.write(`${JSON.stringify(json)}\n`);
    return this.write(typeof text === 'string' ? `${text}\n` : text);
  }

  /**
   * One result of many. Those of one turn of the event loop are written together, because a write each costs more than many a result; on a
   * person's screen it is written at once. Only the form that is asked for is made. What it gives is to be awaited, if it gives anything.
   */
  resultSoon(text: () => Uint8Array, json: () => object): Promise<void> | undefined {
    return this.writeSoon(this.json ? `${JSON.stringify(json())}\n` : text());
  }

  /** Bytes of one result of many, in whatever form; as `resultSoon`. */
  writeSoon(result: Uint8Array | string): Promise<void> | undefined {
    const bytes = typeof result === 'string' ? Buffer.from(result) : result;
    if (this.terminal) return this.write(bytes);
    this.#waiting.push(bytes);
    this.#waitingSize += bytes.byteLength;
    if (this.#waitingSize >= WAITING_SIZE_MAX) return this.flush();
    this.#flushing ??= setImmediate(() => void this.flush().catch(() => undefined)); // the session hears of a failed output itself
    return undefined;
  }

  /** Writes the results that wait. Throws as `write` does. */
  async flush(): Promise<void> {
    clearImmediate(this.#flushing);
    this.#flushing = undefined;
    const bytes = Buffer.concat(this.#waiting.splice(0));
    this.#waitingSize = 0;
    if (bytes.byteLength > 0) await this.write(bytes);
  }

  /** Something a person may want to know that is not the result. */
  note(text: string, json: object): void {
    if (!this.quiet) this.#complain(this.json ? JSON.stringify(json) : `artifactstore: ${text}`);
  }

  /**
   * An error, in one line. With ARTIFACTSTORE_DEBUG=1 its stack trace follows.
   *
   * @param about what it happened to, for programs
   */
  error(error: unknown, about: object = {}): void {
    if (error instanceof Interruption && error.exitCode === EXIT.brokenPipe) return;
    this.#complain(this.json ? errorJson(error, about) : errorLine(error));
    if (process.env.ARTIFACTSTORE_DEBUG === '1' && error instanceof Error) this.#complain(error.stack ?? '');
  }

  /** Starts a progress line when a person watches; `stopProgress` ends it. */
  startProgress(tally: Tally): void {
    if (this.showsProgress) this.#progress = new Progress(this.stderr, tally);
  }

  stopProgress(): void {
    this.#progress?.stop();
    this.#progress = undefined;
  }

  #complain(line: string): void {
    this.#progress?.clear();
    this.stderr.write(`${line}\n`);
  }

  /** Has the session told of what an output meets, which would end the process with a stack trace otherwise. */
  #watch(stream: NodeJS.WriteStream): NodeJS.WriteStream {
    if (this.#onError === undefined || this.#watched.has(stream)) return stream;
    this.#watched.add(stream);
    return stream.on('error', this.#onError);
  }
}

/** File descriptors. */
const STDOUT = 1;
const STDERR = 2;

/** Whether a descriptor is of a device, as every terminal is one. */
function isDevice(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isCharacterDevice();
  } catch {
    return false; // closed
  }
}

function errorLine(error: unknown): string {
  const code = error instanceof ArtifactStoreError ? ` [${error.code}]` : '';
  return `artifactstore: ${printable(messageOf(error))}${code}`;
}

function errorJson(error: unknown, about: object): string {
  const known = error instanceof ArtifactStoreError ? { code: error.code, details: error.details } : {};
  return JSON.stringify({ error: { message: messageOf(error), ...known, exitCode: exitCodeOf(error), ...about } });
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll('\n', ' ');
}

/** A reader that has gone away is how `| head` ends a command, not a failure to report. */
function writeError(cause: NodeJS.ErrnoException): Error {
  if (cause.code === 'EPIPE') return new Interruption(EXIT.brokenPipe, 'The reader of the output has gone away.');
  const code = cause.code === 'ENOSPC' || cause.code === 'EDQUOT' ? 'AS_ERR_NO_SPACE' : 'AS_ERR_IO';
  return new ArtifactStoreError(
    code,
    `The output cannot be written: ${cause.message}. Check where it goes.`,
    { ...(cause.code !== undefined && { errno: cause.code }) },
    { cause },
  );
}
