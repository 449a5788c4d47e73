/** Slow senders, looked at together: what has come of each, whose turn it is, how each ends, and that one does not end the others. */

import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { LocalBackend, Receiving } from '../../lib/dataplane/backend/local.js';
import { SlowSenders } from '../../lib/dataplane/inproc/slow-senders.js';
import { RECEIVED_AT_ONCE, RECEIVED_TOGETHER, RECEIVERS_MAX } from '../../lib/limits.js';
import type { NativeFailure } from '../../lib/native/addon.js';

type Outcome = number | NativeFailure;

/** A backend that asks `come` what has come over each socket. */
function sendersOf(come: (from: readonly Receiving[]) => Outcome[] | Promise<Outcome[]>): SlowSenders {
  const backend: Pick<LocalBackend, 'ingestReceiveMany' | 'receiveFailure'> = {
    ingestReceiveMany: async (from) => come(from),
    receiveFailure: ({ name }) => new Error(name),
  };
  return new SlowSenders(backend as LocalBackend);
}

const GONE: NativeFailure = { error: -1, name: 'AS_E_SOURCE', detail: '' };

t.test('each gets what is its own, and ends by itself', async (t) => {
  const told: number[][] = [[], [], [], []];
  const coming: Outcome[][] = [
    [5, 0, 3],
    [0, GONE],
    [1, 1, 1],
    [0, 0, 0, 8],
  ];
  const slow = sendersOf((from) => from.map(({ socket }) => coming[socket]?.shift() ?? 0));
  const receive = (socket: number) =>
    slow.receive({
      ingest: 0,
      socket,
      left: 8,
      took: (size) => {
        told[socket]?.push(size);
        if (socket === 2 && told[socket]?.length === 2) throw new Error('too slow');
      },
    });
  const ends = await Promise.allSettled([0, 1, 2, 3].map(receive));
  t.match(ends, [
    { status: 'fulfilled', value: 0 },
    { status: 'rejected', reason: { message: 'AS_E_SOURCE' } },
    { status: 'rejected', reason: { message: 'too slow' } },
    { status: 'fulfilled', value: 0 },
  ]);
  t.strictSame(told, [[5, 0, 3], [0], [1, 1], [0, 0, 0, 8]]);
  coming[0] = [8];
  t.equal(await receive(0), 0, 'and looking begins anew');
});

t.test('who has become quick is given back, unless there is a crowd', async (t) => {
  const left = 3 * RECEIVED_AT_ONCE;
  const looks: number[] = [];
  const slow = sendersOf((from) => {
    looks.push(from.length);
    return from.map(() => RECEIVED_AT_ONCE);
  });
  const receive = () => slow.receive({ ingest: 0, socket: 0, left, took: () => undefined });
  t.equal(await receive(), 2 * RECEIVED_AT_ONCE);
  const crowd = await Promise.all(Array.from({ length: RECEIVERS_MAX + 1 }, receive));
  t.ok(crowd.every((rest) => rest === 0));
  t.strictSame(looks, [1, RECEIVERS_MAX + 1, RECEIVERS_MAX + 1, RECEIVERS_MAX + 1]);
});

t.test('who was not served comes first the next time', async (t) => {
  const count = RECEIVED_TOGETHER + 10;
  const orders: number[][] = [];
  const slow = sendersOf((from) => {
    orders.push(from.map(({ socket }) => socket));
    return from.map((_, at) => (at < 2 ? 1 : 0)); // there is a bound for what is taken at once
  });
  const all = Array.from({ length: count }, (_, socket) =>
    slow.receive({ ingest: 0, socket, left: 2, took: () => undefined }),
  );
  await Promise.all(all);
  const [first = [], second = [], third = []] = orders;
  t.strictSame([first.length, second.length], [RECEIVED_TOGETHER, 10]);
  t.strictSame(third.slice(0, 2), [2, 3], 'not those that were');
});

t.test('an operation that fails ends all that it was for', async (t) => {
  const slow = sendersOf(async () => {
    await sleep(1);
    throw new Error('closed');
  });
  const ends = await Promise.allSettled(
    [0, 1].map((socket) => slow.receive({ ingest: 0, socket, left: 2, took: () => undefined })),
  );
  t.match(ends, [{ reason: { message: 'closed' } }, { reason: { message: 'closed' } }]);
});
