/** A proxy between two Unix sockets that breaks connections where it is told to. */

import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { folder } from './remote-support.js';

/** What happens to a connection. */
export interface Fault {
  /** Bytes from the client, and to it, after which it breaks. */
  up?: number;
  down?: number;
  /** At once, or as if the other end had come to its end. */
  how?: 'cut' | 'end';
  /** Milliseconds that each chunk waits. */
  delayMs?: number;
}

export async function openProxy(t: Test, target: string) {
  const path = join(await folder(t), 'proxy');
  let count = 0;
  let faultOf: (connection: number) => Fault = () => ({});
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const fault = faultOf(count++);
    const far = connect({ path: target, allowHalfOpen: true });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => end()).on('close', () => end());
    }
    const end = () => {
      near.destroy();
      far.destroy();
    };
    const breakOff = () => {
      if (fault.how === 'end') near.end(() => far.destroy());
      else end();
    };
    pass(near, far, fault.up, fault, breakOff);
    pass(far, near, fault.down, fault, breakOff);
  });
  await new Promise<void>((resolve) => server.listen({ path, backlog: 4096 }, resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  /** Has connections break as `rule` says, by their number from 0 on; those that stand end now. */
  const use = async (rule: (connection: number) => Fault) => {
    faultOf = rule;
    count = 0;
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await new Promise((resolve) => setTimeout(resolve, 20)); // whoever had kept one has heard of its end
  };
  return { path, use, connections: () => count };
}

function pass(from: Socket, to: Socket, most: number | undefined, { delayMs }: Fault, breakOff: () => void): void {
  let passed = 0;
  let onTheirWay = 0;
  let isEnded = false;
  from.on('data', (chunk) => {
    onTheirWay++;
    const left = most === undefined ? chunk.length : Math.min(most - passed, chunk.length);
    passed += left;
    from.pause();
    setTimeout(() => {
      onTheirWay--;
      const isOver = passed === most;
      const isRoom = left === 0 || to.destroyed || to.write(chunk.subarray(0, left));
      if (isOver) breakOff();
      else if (isRoom) from.resume();
      else to.once('drain', () => from.resume());
      if (isEnded && onTheirWay === 0) to.end();
    }, delayMs ?? 0);
  });
  from.on('end', () => {
    isEnded = true;
    if (onTheirWay === 0) to.end();
  });
}
