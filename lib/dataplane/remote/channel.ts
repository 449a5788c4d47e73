/**
 * A connection that has become one operation's own: no HTTP any more, but a head and streams as they stand, either way, until it ends. Node's socket writes, and reads what is short;
 * a long stream is read by the core, which has a descriptor of its own for it.
 *
 * What it needs of Node and is no part of its interface is looked for before: where it is missing, all is read by Node. Imports `node:net`'s types, the addon, errors and limits. Made by both ends.
 */

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { ArtifactStoreError } from '../../errors.js';
import { REMOTE_CHANNEL_BUFFER_SIZE, REMOTE_COPIED_MAX } from '../../limits.js';
import { loadAddon } from '../../native/load.js';

/** What a connection is made of. */
interface Handle {
  readonly fd: number;
  reading: boolean;
  readStop(): number;
  readStart(): number;
}

/** Bytes that say the size of what follows at once. */
const SIZE = 4;

export class Channel implements AsyncIterable<Uint8Array> {
  #failure: Error | undefined;

  constructor(private readonly socket: Socket) {
    socket.setTimeout(0);
    if (this.descriptor >= 0) loadAddon().widenSocket(this.descriptor, REMOTE_CHANNEL_BUFFER_SIZE);
    socket.on('error', (error) => {
      this.#failure = error;
    });
  }

  get isOpen(): boolean {
    return !this.socket.destroyed;
  }

  /** Called when it has ended, in whatever way. */
  onClose(told: () => void): void {
    if (this.isOpen) this.socket.once('close', told);
    else told();
  }

  /** What comes, read by Node. Throws what the socket throws. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    yield* this.socket.iterator({ destroyOnReturn: false });
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Has Node read no further, so that somebody else can, who has the descriptor.
   *
   * @returns -1: Node has read something that nobody has asked for, the connection has ended, or there is no descriptor; then it goes on reading
   */
  giveReading(): number {
    const { socket } = this;
    const handle = this.#handle();
    if (handle === undefined || socket.readableLength > 0 || socket.readableEnded) return -1;
    socket._read = nothing; // or it would read on
    handle.readStop();
    handle.reading = false;
    return handle.fd;
  }

  /** Has Node read on, when nobody else does any more. */
  takeReading(): void {
    const handle = this.#handle();
    if (handle === undefined) return;
    delete (this.socket as { _read?: unknown })._read;
    handle.reading = true;
    handle.readStart();
  }

  /** The descriptor, for who writes while nobody else does; -1 when it has ended. */
  get descriptor(): number {
    return this.#handle()?.fd ?? -1;
  }

  /** Writes, and waits until the kernel has all of it. Throws AS_ERR_ABORTED: nobody is there any more. */
  async write(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      if (!this.isOpen) return reject(gone());
      const onClose = () => reject(gone());
      this.socket.once('close', onClose);
      this.socket.write(bytes, (error) => {
        this.socket.off('close', onClose);
        if (error) reject(gone());
        else resolve();
      });
    });
  }

  /** Writes all of a source, at the pace of the other end. Throws what the source throws, and as `write`. */
  async writeAll(source: AsyncIterable<Uint8Array>): Promise<void> {
    const { socket } = this;
    try {
      for await (const bytes of source) {
        if (!this.isOpen) throw gone();
        if (bytes.byteLength <= SIZE) {
          socket.cork(); // what it is the size of goes with it
          socket.write(bytes);
          continue;
        }
        const written = bytes.byteLength > REMOTE_COPIED_MAX ? this.write(bytes) : this.#writeSmall(bytes);
        socket.uncork();
        await written;
      }
    } finally {
      socket.uncork();
    }
  }

  /** Says what is left to say, and that it was the last. What still comes is read and forgotten, so that the other end gets to read this. */
  end(bytes: Uint8Array): void {
    if (!this.isOpen) return;
    this.socket.end(bytes);
    this.takeReading();
    this.socket.removeAllListeners('readable');
    this.socket.resume();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Of chunks that are the socket's own to keep: waits only for room. */
  async #writeSmall(bytes: Uint8Array): Promise<void> {
    if (this.socket.write(bytes)) return;
    const ended = new AbortController();
    const settled = [once(this.socket, 'drain', ended), once(this.socket, 'close', ended)];
    await Promise.race(settled).finally(() => ended.abort());
    await Promise.allSettled(settled);
  }

  #handle(): Handle | undefined {
    const { _handle: handle } = this.socket as Socket & { _handle?: Partial<Handle> | null };
    const fits =
      typeof handle?.fd === 'number' &&
      handle.fd >= 0 &&
      typeof handle.readStop === 'function' &&
      typeof handle.readStart === 'function' &&
      'reading' in handle;
    return fits ? (handle as Handle) : undefined;
  }
}

function gone(): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_ABORTED', 'The other end went away.');
}

function nothing(): void {}
