/** Connections that are new while many uploads wait with their first bytes: not read, then read one for each that goes on, and in any case after a while. */

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { Newcomers } from '../../lib/api/http/newcomers.js';
import { HTTP_BEGINNING_MAX, HTTP_NEWCOMERS_EVERY_MS } from '../../lib/limits.js';

class Connection extends EventEmitter {
  isRead = true;

  pause(): void {
    this.isRead = false;
  }

  resume(): void {
    this.isRead = true;
  }
}

function connect(newcomers: Newcomers, count: number): Connection[] {
  const made = Array.from({ length: count }, () => new Connection());
  for (const connection of made) newcomers.add(connection as unknown as Socket);
  return made;
}

const read = (connections: readonly Connection[]): number => connections.filter(({ isRead }) => isRead).length;

t.test('nothing is read from them while the slabs are taken', async (t) => {
  const newcomers = new Newcomers();
  const [known, ...early] = connect(newcomers, 4) as [Connection, ...Connection[]];
  newcomers.known(known as unknown as Socket);
  for (let n = 1; n < HTTP_BEGINNING_MAX; n++) newcomers.uploadBegins();
  t.equal(read(early), 3, 'there is a slab left');
  newcomers.uploadBegins();
  t.equal(read(early), 0);
  t.ok(known.isRead, 'from who has asked for something before, everything is');
  const [late] = connect(newcomers, 1) as [Connection];
  t.notOk(late.isRead);
  newcomers.uploadBegan();
  t.strictSame([read(early), early[0]?.isRead], [1, true], 'the first that came, for one that goes on');
  early[1]?.emit('close');
  newcomers.uploadBegan();
  t.ok(early[2]?.isRead, 'who has gone is nobody to wait for');
  newcomers.uploadBegan();
  t.ok(late.isRead);
});

t.test('all of them are after a while, though no upload goes on', async (t) => {
  const newcomers = new Newcomers();
  const waiting = connect(newcomers, HTTP_BEGINNING_MAX + 1);
  for (let n = 0; n < HTTP_BEGINNING_MAX; n++) newcomers.uploadBegins();
  t.equal(read(waiting), 0);
  while (read(waiting) === 0) await sleep(HTTP_NEWCOMERS_EVERY_MS / 4);
  t.equal(read(waiting), HTTP_BEGINNING_MAX, 'not all at once');
  while (read(waiting) < waiting.length) await sleep(HTTP_NEWCOMERS_EVERY_MS / 4);
});
