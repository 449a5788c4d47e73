/**
 * A proxy in front of an S3 server that does to requests what networks and busy servers do: it answers 500 and 503, breaks connections before, within and after a
 * request or an answer, delays, cuts answers short, and changes a byte on the way.
 */

import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

/** What happens to one request. */
export type Fault =
  | { kind: 'status'; status: number; code: string }
  /** The connection breaks and the server never hears of it. */
  | { kind: 'cut-before' }
  /** The server gets half of the body, and then both connections break. */
  | { kind: 'cut-within' }
  /** The server has done it, and the answer is lost. */
  | { kind: 'cut-after' }
  /** The answer breaks off after so many bytes of its body. */
  | { kind: 'cut-answer'; after: number }
  /** The answer ends as if it were whole, with fewer bytes than it says. */
  | { kind: 'truncate'; after: number }
  /** One bit of the answer's body differs. */
  | { kind: 'flip'; at: number }
  | { kind: 'delay'; ms: number };

/** One request, as the rule sees it. */
export interface Seen {
  /** Counted from 0. */
  number: number;
  method: string;
  url: string;
}

export interface FaultProxy {
  endpoint: string;
  /** Decides about each request. */
  rule: (seen: Seen) => Fault | undefined;
  /** What was done, in order. */
  done: { fault: Fault; seen: Seen }[];
  /** Requests that came. */
  count: number;
}

export async function openFaultProxy(t: Test, target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target);
  const proxy: FaultProxy = { endpoint: '', rule: () => undefined, done: [], count: 0 };
  const server = createServer((incoming, outgoing) => {
    const seen = { number: proxy.count++, method: incoming.method ?? '', url: incoming.url ?? '' };
    const fault = proxy.rule(seen);
    if (fault) proxy.done.push({ fault, seen });
    incoming.on('error', () => undefined);
    outgoing.on('error', () => undefined);
    void pass({ host: hostname, port: Number(port) }, incoming, outgoing, fault).catch(() => incoming.socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return proxy;
}

async function pass(
  target: { host: string; port: number },
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  fault: Fault | undefined,
): Promise<void> {
  if (fault?.kind === 'cut-before') return void incoming.socket.resetAndDestroy();
  if (fault?.kind === 'delay') await new Promise((resolve) => setTimeout(resolve, fault.ms));
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  if (fault?.kind === 'status') {
    const text = incoming.method === 'HEAD' ? '' : `<?xml version="1.0"?><Error><Code>${fault.code}</Code></Error>`;
    outgoing.writeHead(fault.status, { 'content-length': Buffer.byteLength(text) }).end(text);
    return;
  }
  const onward = request({ ...target, method: incoming.method, path: incoming.url, headers: incoming.headers });
  onward.on('error', () => undefined);
  if (fault?.kind === 'cut-within') {
    onward.write(body.subarray(0, Math.floor(body.byteLength / 2)));
    await new Promise((resolve) => setTimeout(resolve, 20)); // some of it is to arrive
    onward.destroy();
    incoming.socket.resetAndDestroy();
    return;
  }
  onward.end(body);
  const [answer] = (await once(onward, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const chunk of answer) parts.push(chunk as Buffer);
  const text = Buffer.concat(parts);
  if (fault?.kind === 'cut-after') return void incoming.socket.resetAndDestroy();
  outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
  const isShort = (fault?.kind === 'cut-answer' || fault?.kind === 'truncate') && text.byteLength > 0;
  if (isShort) {
    await new Promise<void>((resolve) =>
      outgoing.write(text.subarray(0, Math.min(fault.after, text.byteLength - 1)), () => resolve()),
    );
    if (fault.kind === 'truncate') outgoing.socket?.end();
    else outgoing.socket?.resetAndDestroy();
    return;
  }
  if (fault?.kind === 'flip' && text.byteLength > 0) {
    const at = fault.at % text.byteLength;
    text[at] = (text[at] as number) ^ 1;
  }
  outgoing.end(text);
}
