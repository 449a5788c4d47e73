/**
 * The spool: a local data plane in which large objects, and upload sessions, wait until they are in the bucket. It hashes them, checks what is expected of them and
 * makes their outboards, all in one pass of the local engine.
 *
 * What it holds of objects is forgotten when it is opened; upload sessions stay. The last call of a session keeps the session's files by a second name until its object
 * is in the bucket, so that a session outlives a bucket that cannot be reached, and a crash. Imports inproc, folders and node:fs. Called by index.ts.
 */

import { chmod, link, mkdir, readdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { formatBlake3 } from '../../../digest-name.js';
import { ArtifactStoreError } from '../../../errors.js';
import { namesIn, syncFolder } from '../../../folders.js';
import type { ClosableDataPlane } from '../../closable.js';
import { openInproc } from '../../inproc/index.js';
import { storedFiles } from '../../inproc/stored-files.js';
import type { ByteSource, ContentAddress, IngestHints, IngestResult, SessionHints, SessionResult } from '../../spi.js';

/** What a session keeps: see docs/format.md, "Upload sessions". */
const SESSION_FILES = ['part', 'state'] as const;

/** An object in the spool. Whoever has it says when it is not needed any more. */
export interface Spooled {
  result: IngestResult;
  address: ContentAddress;
  release(): Promise<void>;
}

export class Spool {
  /** For each object, how many need it. */
  readonly #holds = new Map<ContentAddress, number>();
  /** Sessions whose object is on its way to the bucket. */
  readonly #ending = new Set<string>();

  private constructor(
    readonly path: string,
    readonly plane: ClosableDataPlane,
  ) {}

  /** @throws AS_ERR_STORE_LOCKED: another process has it; and what opening a data plane throws */
  static async open(path: string, threads?: number): Promise<Spool> {
    await mkdir(join(path, 'ending'), { recursive: true });
    const plane = await openInproc({ path: join(path, 'data'), ...(threads !== undefined && { threads }) });
    // Only who has the lock may tidy up; the engine looks for objects when it is opened, so it is opened again.
    try {
      const isClean =
        (await storedFiles(join(path, 'data'))).length === 0 && (await readdir(join(path, 'ending'))).length === 0;
      if (isClean) return new Spool(path, plane);
      await restoreSessions(path);
    } catch (error) {
      await plane.close();
      throw error;
    }
    await plane.close();
    for (const object of await storedFiles(join(path, 'data'))) await rm(object, { recursive: true });
    return new Spool(path, await openInproc({ path: join(path, 'data'), ...(threads !== undefined && { threads }) }));
  }

  /** Takes an object in. Throws as `ingestStream`. */
  async take(source: ByteSource, { blake3, sha256, size }: IngestHints): Promise<Spooled> {
    const hints = { ...(blake3 && { blake3 }), ...(sha256 && { sha256 }), ...(size !== undefined && { size }) };
    return this.#held(await this.plane.ingestStream(source, hints));
  }

  /** One call of a session that does not end it. Throws as `ingestStream`. */
  async session(source: ByteSource, hints: SessionHints): Promise<SessionResult> {
    const { session } = hints;
    if (!('query' in session)) this.#requireNotEnding(session.id);
    return (await this.plane.ingestStream(source, hints)) as SessionResult;
  }

  /**
   * The call that ends a session: takes its last bytes, and has the object stored. Where that fails, the session stays where it was.
   *
   * @param store stores the object in the bucket
   */
  async end<T>(source: ByteSource, hints: SessionHints, store: (spooled: Spooled) => Promise<T>): Promise<T> {
    const { id } = hints.session;
    this.#requireNotEnding(id);
    this.#ending.add(id);
    try {
      const keeps = await this.#keepSession(id);
      let isStored = false;
      try {
        const spooled = this.#held((await this.plane.ingestStream(source, hints)) as IngestResult);
        try {
          const stored = await store(spooled);
          isStored = true;
          return stored;
        } finally {
          await spooled.release();
        }
      } finally {
        if (keeps) await (isStored ? this.#forgetSession(id) : restoreSession(this.path, id));
      }
    } finally {
      this.#ending.delete(id);
    }
  }

  /** The file of a large object: see docs/format.md, "Where an object is". */
  fileOf(address: ContentAddress): string {
    const hex = address.slice('blake3:'.length);
    return join(this.path, 'data', 'objects', hex.slice(0, 2), hex);
  }

  close(): Promise<void> {
    return this.plane.close();
  }

  /** Gives an object that was there already to whoever asks for it. */
  #held(result: IngestResult): Spooled {
    const address = formatBlake3(result.blake3);
    this.#holds.set(address, (this.#holds.get(address) ?? 0) + 1);
    const release = async () => {
      const left = (this.#holds.get(address) ?? 0) - 1;
      if (left > 0) {
        this.#holds.set(address, left);
        return;
      }
      this.#holds.delete(address);
      await this.plane.deleteObject(address);
    };
    return { result, address, release };
  }

  #requireNotEnding(id: string): void {
    if (!this.#ending.has(id)) return;
    throw new ArtifactStoreError(
      'AS_ERR_CONFLICT',
      `Somebody else is writing to upload session ${id}. Repeat when that call has ended.`,
      { id },
    );
  }

  /** Gives the files of a session a second name; false when there is no such session, or the id is none. */
  async #keepSession(id: string): Promise<boolean> {
    if (!/^[A-Za-z0-9_-]+$/.test(id)) return false;
    try {
      for (const kind of SESSION_FILES) await link(sessionFile(this.path, id, kind), keptFile(this.path, id, kind));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw ioError(this.path, error);
      await this.#forgetSession(id);
      return false;
    }
    await syncFolder(join(this.path, 'ending'));
    return true;
  }

  async #forgetSession(id: string): Promise<void> {
    for (const kind of SESSION_FILES) await rm(keptFile(this.path, id, kind), { force: true });
  }
}

/**
 * Asks how far an upload session in the folder of a spool has come, for who does not write. The folder is opened for that alone: as long as it is open for reading, nobody
 * can open it for writing.
 *
 * @throws AS_ERR_NOT_FOUND: there is no such session; AS_ERR_STORE_LOCKED: another process writes to it, and knows
 */
export async function askSession(path: string, source: ByteSource, hints: SessionHints): Promise<SessionResult> {
  const data = join(path, 'data');
  const { id } = hints.session;
  if ((await namesIn(data)) === undefined)
    throw new ArtifactStoreError('AS_ERR_NOT_FOUND', `There is no upload session ${id} here.`, { id });
  const plane = await openInproc({ path: data, readOnly: true, threads: 1 });
  try {
    return (await plane.ingestStream(source, hints)) as SessionResult;
  } finally {
    await plane.close();
  }
}

/** Puts sessions back whose last call did not end. */
async function restoreSessions(path: string): Promise<void> {
  const names = await readdir(join(path, 'ending'));
  for (const id of new Set(names.map((name) => name.replace(/\.[a-z]+$/, '')))) await restoreSession(path, id);
}

/** Puts a session back as it was at its last checkpoint, unless it is still there, or nothing was kept. */
async function restoreSession(path: string, id: string): Promise<void> {
  for (const kind of SESSION_FILES) {
    try {
      await link(keptFile(path, id, kind), sessionFile(path, id, kind));
      await chmod(sessionFile(path, id, kind), 0o600); // as an object's file it may have become read-only
    } catch (error) {
      if (!['EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw ioError(path, error);
    }
  }
  await syncFolder(join(path, 'data', 'uploads'));
  for (const kind of SESSION_FILES) {
    await unlink(keptFile(path, id, kind)).catch(() => undefined);
  }
}

function sessionFile(path: string, id: string, kind: string): string {
  return join(path, 'data', 'uploads', `${id}.${kind}`);
}

function keptFile(path: string, id: string, kind: string): string {
  return join(path, 'ending', `${id}.${kind}`);
}

function ioError(path: string, cause: unknown): ArtifactStoreError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new ArtifactStoreError(
    isFull ? 'AS_ERR_NO_SPACE' : 'AS_ERR_IO',
    `The spool in ${path} failed: ${message}. Check its disk and its permissions.`,
    { path, errno: code },
    { cause },
  );
}
