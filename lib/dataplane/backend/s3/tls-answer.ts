/**
 * An answer over TLS whose body is decrypted straight into memory that is used again: as it goes through undici and streams, each 16 KiB of it cost more than decrypting and proving
 * them.
 *
 * A request of its own on a connection of its own, HTTP/1.1, which knows only answers of a length that is told; whatever else comes is nothing here, and the ordinary way
 * finds out what it is. Imports node:tls and limits. Called by requests.ts. docs/adr/0042 says why.
 */

import { isIP, type OnReadOpts } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { S3_CONNECT_TIMEOUT_MS, S3_IDLE_TIMEOUT_MS, S3_TLS_HEAD_SIZE_MAX, S3_TLS_STEP_SIZE } from '../../../limits.js';

/** The head of an answer. */
export interface Head {
  status: number;
  headers: Readonly<Record<string, string | undefined>>;
}

export interface TlsRequest {
  method: string;
  path: string;
  headers: Readonly<Record<string, string>>;
  /** Milliseconds until the head. */
  headersTimeout: number;
  /** Certificates in PEM that are trusted in place of the system's. */
  authorities?: string | undefined;
}

/**
 * Sends a request.
 *
 * @param origin `https://host:port`
 * @param isWanted whether the body of such an answer is to be read
 * @returns undefined: there is no connection, or no such answer; nothing of the request is left
 */
export async function answerOverTls(
  origin: string,
  request: TlsRequest,
  isWanted: (head: Head) => boolean,
): Promise<(Head & { body: TlsBody }) | undefined> {
  const body = new TlsBody(origin, request);
  const head = await body.head();
  if (head !== undefined && isWanted(head)) return { ...head, body };
  body.close();
  return undefined;
}

/** What comes over a connection, in the order in which it comes: its head, and then its body in pieces. */
export class TlsBody {
  readonly #socket: TLSSocket;
  /** Memory that may be filled; there is always some, because what has been decrypted comes also where nothing more is asked for. */
  readonly #free: Uint8Array[] = [];
  readonly #full: Uint8Array[] = [];
  #filling: Uint8Array = new Uint8Array(S3_TLS_STEP_SIZE);
  #filled = 0;
  /** Of the body, still to come; unknown until the head is there. */
  #left: number | undefined;
  #head: Head | undefined;
  #isEnded = false;
  #wake: () => void = () => undefined;

  constructor(origin: string, { method, path, headers, headersTimeout, authorities }: TlsRequest) {
    const { hostname, port } = new URL(origin);
    const host = hostname.replace(/^\[|\]$/g, '');
    const timer = setTimeout(() => this.#end(), S3_CONNECT_TIMEOUT_MS);
    const reading: OnReadOpts = {
      buffer: () => this.#filling.subarray(this.#filled),
      callback: (size) => this.#came(size),
    };
    const options: ConnectionOptions & { onread: OnReadOpts } = {
      host,
      port: Number(port || 443),
      ...(isIP(host) === 0 && { servername: host }),
      ...(authorities !== undefined && { ca: authorities }),
      ALPNProtocols: ['http/1.1'],
      onread: reading,
    };
    this.#socket = connect(options);
    this.#socket.once('secureConnect', () => {
      clearTimeout(timer);
      this.#socket.setTimeout(headersTimeout);
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      this.#socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}connection: close\r\n\r\n`);
    });
    // Why it ended is no matter: what has not come is asked for again.
    for (const event of ['error', 'end', 'close', 'timeout'] as const) this.#socket.on(event, () => this.#end());
    this.#socket.once('close', () => clearTimeout(timer));
  }

  /** Undefined: none came, or none whose body has a length. */
  async head(): Promise<Head | undefined> {
    while (this.#head === undefined && !this.#isEnded) await this.#change();
    return this.#head;
  }

  /**
   * What comes next: S3_TLS_STEP_SIZE bytes, fewer at the end. To be given back by `release`.
   *
   * @returns undefined: all has come, or the connection broke
   */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const piece = this.#full.shift();
      if (piece !== undefined) return piece;
      if (this.#isEnded && this.#filled > 0) return this.#take();
      if (this.#isEnded) return undefined;
      await this.#change();
    }
  }

  /** Gives memory back that `next` gave, which is read into again. */
  release({ buffer }: Uint8Array): void {
    this.#free.push(new Uint8Array(buffer as ArrayBuffer));
    if (!this.#isEnded) this.#socket.resume();
  }

  close(): void {
    this.#end();
  }

  /** Told of each read, into what is being filled. @returns false: no more for now */
  #came(size: number): boolean {
    if (this.#isEnded) return false;
    this.#filled += size;
    if (this.#left === undefined) this.#readHead();
    else this.#left -= size;
    if (this.#left !== undefined && this.#left <= 0) {
      this.#filled += this.#left; // what is beyond the length that was told is nobody's
      this.#end();
    }
    if (this.#filled === this.#filling.byteLength) this.#full.push(this.#take());
    this.#wake();
    return this.#full.length < PIECES_AHEAD;
  }

  /** What has been filled, and other memory to fill. */
  #take(): Uint8Array {
    const piece = this.#filling.subarray(0, this.#filled);
    this.#filling = this.#free.pop() ?? new Uint8Array(S3_TLS_STEP_SIZE);
    this.#filled = 0;
    return piece;
  }

  /** Looks for the head in what has come; what follows it begins the body. */
  #readHead(): void {
    const came = Buffer.from(this.#filling.buffer as ArrayBuffer, 0, this.#filled);
    const end = came.indexOf('\r\n\r\n');
    if (end < 0 && came.byteLength < S3_TLS_HEAD_SIZE_MAX) return;
    const head = parseHead(came.toString('latin1', 0, Math.max(end, 0)));
    const length = Number(head?.headers['content-length']);
    if (head === undefined || !Number.isSafeInteger(length) || head.headers['transfer-encoding'] !== undefined) {
      this.#filled = 0;
      this.#end();
      return;
    }
    this.#filling.copyWithin(0, end + 4, this.#filled);
    this.#filled -= end + 4;
    this.#left = length - this.#filled;
    this.#head = head;
    this.#socket.setTimeout(S3_IDLE_TIMEOUT_MS);
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#socket.destroy();
    this.#wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** Pieces that wait to be taken before the connection is made to wait. */
const PIECES_AHEAD = 2;

/** Undefined: it is none of HTTP/1.1, or says one thing twice. */
function parseHead(text: string): Head | undefined {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) return undefined;
    const key = name.toLowerCase();
    if (key === 'content-length' && headers[key] !== undefined) return undefined;
    headers[key] = value;
  }
  return { status: Number(status), headers };
}
