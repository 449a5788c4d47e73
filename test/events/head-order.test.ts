/** Heads in order, with the places of those that may be the same. */

import { randomInt } from 'node:crypto';
import t from 'tap';
import { orderByHead } from '../../lib/events/head-order.js';

const HEADS = 2 ** 48;
const LOWER = 2 ** 16;
const upper = (head: number) => Math.floor(head / LOWER);

/** Few heads that differ little, small ones, the largest and the smallest, and some twice. */
function someHeads(count: number): Float64Array {
  const near = randomInt(HEADS - 2 ** 20);
  const kinds = [
    () => randomInt(HEADS - 1),
    () => near + randomInt(2 ** 18),
    () => near,
    () => randomInt(2 ** 17),
    () => randomInt(3),
    () => HEADS - 1 - randomInt(3),
  ];
  return Float64Array.from({ length: count }, () => (kinds[randomInt(kinds.length)] as () => number)());
}

t.test('in the order of their upper halves, else as they came', (t) => {
  for (let round = 0; round < 200; round++) {
    const heads = someHeads(randomInt(400));
    const indexes = Uint32Array.from(heads.keys()).filter(() => randomInt(4) > 0);
    const { order, mayRepeat } = orderByHead(heads, indexes);
    t.strictSame(new Set(order), new Set(indexes));
    for (let n = 1; n < order.length; n++) {
      const [before, index] = [order[n - 1] as number, order[n] as number];
      const [low, high] = [heads[before] as number, heads[index] as number];
      if (upper(low) > upper(high)) t.fail(`${low} is before ${high}`);
      if (low === high && mayRepeat[n] !== 1) t.fail(`${low} is there twice`);
      if (mayRepeat[n] === 1 && upper(low) !== upper(high)) t.fail(`${low} and ${high} are not alike`);
      if (mayRepeat[n] === 1 && before > index) t.fail(`${before} and ${index} have changed places`);
    }
  }
  t.end();
});

t.test('every one that is there twice is found, whatever is between', (t) => {
  for (let round = 0; round < 200; round++) {
    const heads = someHeads(300);
    const { order, mayRepeat } = orderByHead(heads, Uint32Array.from(heads.keys()));
    const marked = new Set<number>();
    for (let n = 1; n < order.length; n++) {
      if (mayRepeat[n] === 0) continue;
      marked.add(order[n - 1] as number).add(order[n] as number);
    }
    const counts = new Map<number, number>();
    for (const head of heads) counts.set(head, (counts.get(head) ?? 0) + 1);
    for (const [index, head] of heads.entries())
      if ((counts.get(head) as number) > 1 && !marked.has(index)) t.fail(`${head} is not marked`);
  }
  t.end();
});

t.test('none', (t) => {
  t.equal(orderByHead(new Float64Array(3), new Uint32Array(0)).order.length, 0);
  t.end();
});
