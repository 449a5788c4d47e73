/**
 * One run of one command: its options, its output, the store it opened, and its end by success, failure or signal.
 *
 * Opens stores through the library, or where they are services through the client; either is loaded only when needed, so that `--help` loads neither
 * SQLite nor the addon. Every command runs in one, and knows of its store what `lib/store/verbs.ts` says.
 */

import type { Command } from 'commander';
import { ArtifactStoreError, isStoreError } from '../errors.js';
import type { Moment } from '../events/read-all.js';
import { isServiceUrl } from '../service-url.js';
import type { PastVerbs, RegistryVerbs, StoreVerbs } from '../store/verbs.js';
import type { Store } from '../store.js';
import { loaded } from './engine.js';
import { EXIT, exitCodeOf, Interruption, SIGNAL_EXITS } from './exit.js';
import type { GlobalOptions } from './options.js';
import { Output } from './output.js';

export class Session {
  readonly output: Output;
  readonly #abort = new AbortController();
  readonly #closing: (() => Promise<void>)[] = [];
  #hangUp: (() => void) | undefined;
  #exitCode: number = EXIT.ok;

  constructor(readonly options: GlobalOptions) {
    const gone = () => this.stop(new Interruption(EXIT.brokenPipe, 'The reader of the output has gone away.'));
    this.output = new Output(options.json === true, options.quiet === true, gone);
  }

  /** Aborted when the command is to stop: by a signal, or because it failed. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get exitCode(): number {
    return this.#exitCode;
  }

  /** The command is to stop; the first reason counts. */
  stop(reason: Error): void {
    this.#abort.abort(reason);
  }

  /** Does something else than ending on SIGHUP, from now on: for services, to which it means to read their files again. */
  onHangUp(reload: () => void): void {
    this.#hangUp = reload;
  }

  /** Opens the store as the options say, wherever it is; it is closed when the command ends. */
  async openStore(options: { create?: boolean } = {}): Promise<StoreVerbs> {
    return isServiceUrl(this.options.store) ? this.#openService() : this.openFolder(options);
  }

  /**
   * Opens a store that must be a folder here.
   *
   * @param instead what to do where it is a service, as a sentence
   * @throws AS_ERR_INVALID_ARGUMENT: it is a service
   */
  async openFolder(options: { create?: boolean } = {}, instead = ''): Promise<Store> {
    const { store: path, dataplane, cold, coldReads, readOnly, actor, threads } = this.options;
    this.requireFolder(instead);
    const { openStore } = await import('../store.js');
    const store = await openStore({
      path,
      create: options.create ?? false,
      readOnly: readOnly === true,
      ...(actor !== undefined && { actor }),
      ...(threads !== undefined && { threads }),
      ...(dataplane !== undefined && { dataplane }),
      ...(cold !== undefined && { cold }),
      ...(coldReads !== undefined && { coldReads }),
      s3: s3Settings(this.options),
      onNotice: (sentence) => this.output.note(sentence, { notice: sentence }),
    });
    this.#closing.push(() => store.close());
    loaded(() => this.output.open());
    return store;
  }

  /** Refuses a service where only a folder will do. Throws AS_ERR_INVALID_ARGUMENT. */
  requireFolder(instead: string): void {
    const { store } = this.options;
    if (!isServiceUrl(store)) return;
    const message = `This command works on a store in a folder, and ${store} is a service. ${instead}`.trimEnd();
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, { store });
  }

  /** Opens what the store knows without its bytes: for reading, also while another process has the store open. */
  async openRegistry(): Promise<RegistryVerbs> {
    if (isServiceUrl(this.options.store)) return this.#openService();
    const { openRegistry } = await import('../store/registry-reader.js');
    const registry = await openRegistry({ path: this.options.store });
    this.#closing.push(() => registry.close());
    loaded(() => this.output.open());
    return registry;
  }

  /** Opens the registry as it was at a moment, or as it is when none is given. */
  async openRegistryAt(moment: Moment | undefined): Promise<PastVerbs> {
    const registry = await this.openRegistry();
    if (moment === undefined) return registry;
    const past = await registry.at(moment, { signal: this.signal });
    this.#closing.push(() => past.close());
    return past;
  }

  async #openService(): Promise<StoreVerbs & RegistryVerbs> {
    const { connect } = await import('./remote.js');
    const client = await connect(this.options, this.signal);
    this.#closing.push(() => client.close());
    loaded(() => this.output.open());
    return client;
  }

  /** Reports a failure after which the command may go on; the first one decides the exit code. */
  fail(error: unknown, about: object = {}): void {
    this.output.error(error, about);
    this.failWith(exitCodeOf(error));
  }

  /** Sets the exit code, unless an earlier failure has. */
  failWith(code: number): void {
    if (this.#exitCode === EXIT.ok) this.#exitCode = code;
  }

  /** Runs one part of a command that has several; its failure is reported and the others go on. An end from outside is passed on. */
  async attempt(part: () => Promise<void>, about: object = {}): Promise<void> {
    try {
      await part();
    } catch (error) {
      if (this.signal.aborted || error instanceof Interruption) throw error;
      this.fail(error, about);
    }
  }

  /** Runs the command to its end, and everything it opened with it. */
  async run(verb: (session: Session) => Promise<void>): Promise<void> {
    const release = this.#listen();
    try {
      await verb(this);
    } catch (error) {
      this.#end(error);
    }
    this.output.stopProgress();
    await this.output.flush().catch((error: unknown) => this.#end(error));
    try {
      for (const close of this.#closing.reverse()) await close();
    } catch (error) {
      this.fail(error);
    }
    release();
  }

  /** An interruption outranks what else failed: everything after it is its consequence. */
  #end(error: unknown): void {
    this.output.stopProgress();
    const isConsequence = this.signal.aborted && isStoreError(error, 'AS_ERR_ABORTED', 'AS_ERR_CLOSED');
    const reason = isConsequence ? this.signal.reason : error;
    this.stop(reason as Error);
    this.output.error(reason);
    if (reason instanceof Interruption) this.#exitCode = reason.exitCode;
    else this.failWith(exitCodeOf(reason));
  }

  /** The first signal ends the command in order, the second at once. */
  #listen(): () => void {
    const names = Object.keys(SIGNAL_EXITS) as (keyof typeof SIGNAL_EXITS)[];
    const onSignal = (name: NodeJS.Signals) => {
      if (name === 'SIGHUP' && this.#hangUp !== undefined) return this.#hangUp();
      const code = SIGNAL_EXITS[name as keyof typeof SIGNAL_EXITS];
      if (this.signal.aborted) process.exit(code);
      this.stop(new Interruption(code, `Stopped by ${name}.`));
    };
    for (const name of names) process.on(name, onSignal);
    return () => {
      for (const name of names) process.off(name, onSignal);
    };
  }
}

function s3Settings({ s3Endpoint: endpoint, s3Region: region, s3Addressing: addressing, spool }: GlobalOptions) {
  return {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(addressing !== undefined && { addressing }),
    ...(spool !== undefined && { spool }),
  };
}

/** Runs a command's verb in a session of its own and leaves the exit code to the process. */
export async function runCommand(command: Command, verb: (session: Session) => Promise<void>): Promise<void> {
  const session = new Session(command.optsWithGlobals<GlobalOptions>());
  await session.run(verb);
  process.exitCode = session.exitCode;
}

/** A signal is how a service is ended, so it is no failure. */
export function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
