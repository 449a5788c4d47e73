/** What stands between client and service in the tests: connections that break, and somebody who changes what is sent. */

import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Test } from 'tap';

/** Milliseconds for what came before the break to be read. */
const LINGER_MS = 5;

/** A TCP proxy whose connections can be broken. */
export class Wire {
  /** Where clients connect. */
  url = '';
  /** Bytes that have passed: to the service, and back. */
  up = 0;
  down = 0;
  connections = 0;
  /** Connections that broke where `cutAfter` said. */
  breaks = 0;
  /** Asked for each connection: after how many bytes, of both directions together, it breaks. */
  cutAfter: () => number = () => Number.POSITIVE_INFINITY;
  /** Where it leads. */
  target: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: string) {
    this.target = target;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#pass(socket));
  }

  static async open(t: Test, target: string): Promise<Wire> {
    const wire = new Wire(target);
    wire.#server.listen(0, '127.0.0.1');
    await once(wire.#server, 'listening');
    wire.url = `http://127.0.0.1:${(wire.#server.address() as AddressInfo).port}`;
    t.teardown(() => {
      wire.cut();
      wire.#server.close();
    });
    return wire;
  }

  /** Breaks every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  #pass(client: Socket): void {
    this.connections++;
    const { hostname, port } = new URL(this.target);
    const server = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    let left = this.cutAfter();
    const pair = [client, server];
    const reset = () => {
      this.breaks++;
      client.resetAndDestroy();
      end();
    };
    const end = () => {
      for (const socket of pair) {
        socket.destroy();
        this.#sockets.delete(socket);
      }
    };
    for (const socket of pair) {
      this.#sockets.add(socket);
      socket.on('error', end).on('close', end);
    }
    const forward = (from: Socket, to: Socket, count: (size: number) => void) => {
      from.on('data', (chunk: Buffer) => {
        count(chunk.byteLength);
        if (left <= chunk.byteLength) {
          if (left > 0) to.write(chunk.subarray(0, left), () => setTimeout(reset, LINGER_MS));
          left = 0;
          return;
        }
        left -= chunk.byteLength;
        if (!to.write(chunk)) {
          from.pause();
          to.once('drain', () => from.resume());
        }
      });
      from.on('end', () => to.end());
    };
    forward(client, server, (size) => {
      this.up += size;
    });
    forward(server, client, (size) => {
      this.down += size;
    });
  }
}

/** What an interferer makes of an answer: its body, or status too. Undefined: nothing. */
export type Change = (
  request: IncomingMessage,
  body: Buffer,
) => Buffer | { status: number; body: Buffer; headers?: object } | undefined;

/** A service that passes requests on and changes what it likes of the answers. */
export class Interferer {
  url = '';
  change: Change = () => undefined;
  /** What was asked: method and path. */
  readonly asked: string[] = [];
  readonly #server: HttpServer;

  private constructor(target: string) {
    this.#server = createHttpServer((from, to) => {
      this.asked.push(`${from.method} ${from.url}`);
      const { hostname, port } = new URL(target);
      const passed = request({ host: hostname, port, method: from.method, path: from.url, headers: from.headers });
      from.pipe(passed);
      passed.on('response', async (answer) => {
        const chunks: Buffer[] = [];
        for await (const chunk of answer) chunks.push(chunk as Buffer);
        const body = Buffer.concat(chunks);
        const changed = this.change(from, body) ?? body;
        const {
          status,
          body: bytes,
          headers,
        } = Buffer.isBuffer(changed)
          ? { status: answer.statusCode, body: changed, headers: {} }
          : { headers: {}, ...changed };
        const { 'transfer-encoding': _, ...fields } = answer.headers;
        const length = from.method === 'HEAD' ? {} : { 'content-length': bytes.byteLength };
        to.writeHead(status ?? 500, { ...fields, ...length, ...headers });
        to.end(bytes);
      });
    });
  }

  static async open(t: Test, target: string): Promise<Interferer> {
    const one = new Interferer(target);
    one.#server.listen(0, '127.0.0.1');
    await once(one.#server, 'listening');
    one.url = `http://127.0.0.1:${(one.#server.address() as AddressInfo).port}`;
    t.teardown(() => {
      one.#server.closeAllConnections();
      one.#server.close();
    });
    return one;
  }
}
