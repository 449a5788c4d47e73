/** Lines that the core writes many at a time are those that are written one by one; what it cannot write so is left to them. */

import { randomBytes, randomInt } from 'node:crypto';
import t from 'tap';
import { digestLine } from '../../lib/cli/format.js';
import { pathLines } from '../../lib/cli/path-lines.js';
import { joinPaths } from '../../lib/dataplane/file-list.js';
import type { ContentAddress, FileList } from '../../lib/dataplane/spi.js';
import { toHex } from '../../lib/digest-name.js';

const HIDDEN = '/hidden/';

function listOf(names: readonly Uint8Array[]): FileList {
  return joinPaths(names.map((name) => Buffer.concat([Buffer.from(HIDDEN), name]))) as FileList;
}

/** Names of random bytes, as file names may be, without those that a line has to write another way. */
function someNames(count: number, longest: number): Buffer[] {
  return Array.from({ length: count }, () =>
    Buffer.from(randomBytes(randomInt(1, longest + 1)).map((byte) => (byte < 0x20 || byte === 0x5c ? 0x41 : byte))),
  );
}

function oneByOne(digests: Uint8Array, names: readonly Uint8Array[], from: number, to: number): Buffer {
  const lines = names.slice(from, to).map((name, n) => {
    const at = 64 * (from + n);
    return digestLine(`blake3:${toHex(digests.subarray(at, at + 32))}` as ContentAddress, name);
  });
  return Buffer.concat(lines);
}

t.test('byte for byte the same', (t) => {
  for (const [count, longest] of [
    [1, 1],
    [15, 3],
    [300, 256],
    [1024, 40],
  ] as const) {
    const names = someNames(count, longest);
    const digests = randomBytes(64 * count);
    for (const [from, to] of [
      [0, count],
      [0, 0],
      [count >> 1, count],
      [count >> 2, count >> 1],
    ] as const) {
      const lines = pathLines({ digests }, listOf(names), HIDDEN.length, from, to);
      t.ok(lines, `${count} names, ${from} to ${to}`);
      t.equal(Buffer.compare(lines as Uint8Array, oneByOne(digests, names, from, to)), 0);
    }
  }
  t.end();
});

t.test('what is left to others', (t) => {
  const digests = randomBytes(64 * 300);
  for (const odd of ['a\\b', 'a\nb', 'a\rb']) {
    const names = [...someNames(3, 9), Buffer.from(odd)];
    t.equal(pathLines({ digests }, listOf(names), HIDDEN.length, 0, 4), undefined, JSON.stringify(odd));
  }
  const lengths = Array.from({ length: 257 }, (_, n) => Buffer.alloc(n + 1, 'a'));
  t.equal(pathLines({ digests }, listOf(lengths), HIDDEN.length, 0, 257), undefined, 'more lengths than forms');
  t.ok(pathLines({ digests }, listOf(lengths), HIDDEN.length, 0, 256));
  t.end();
});
