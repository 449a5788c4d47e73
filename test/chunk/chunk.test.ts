/**
 * Chunking through the public API: pinned cuts, whole and in pieces, on every path this machine has; sizes, options, errors; and that
 * an edit leaves the chunks away from it as they were. The C tests compare every path with the definition.
 */

import t from 'tap';
import { type ChunkOptions, chunk, chunkKernels, createChunker, selectChunkKernel } from '../../lib/index.js';

const KiB = 1024;
const SMALL = { minimum: 256, average: 1024, maximum: 4096 };

/** The input of the worked example in docs/formats/chunking.md: the top bytes of a linear congruential generator. */
function generated(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = 0n;
  for (let i = 0; i < size; i++) {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    bytes[i] = Number(state >> 56n);
  }
  return bytes;
}

function inPieces(bytes: Uint8Array, piece: (n: number) => number, options?: ChunkOptions): number[] {
  const chunker = createChunker(options);
  const ends: number[] = [];
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = piece(n);
    ends.push(...chunker.update(bytes.subarray(at, at + size)));
    at += size;
  }
  return [...ends, ...chunker.finish()];
}

function sizes(ends: readonly number[]): number[] {
  return ends.map((end, i) => end - (ends[i - 1] ?? 0));
}

const input = generated(1024 * KiB);

for (const kernel of chunkKernels().kernels) {
  t.test(`cuts of the format, ${kernel}`, async (t) => {
    const before = chunkKernels().kernel;
    selectChunkKernel(kernel);
    t.teardown(() => selectChunkKernel(before));
    t.equal(chunkKernels().kernel, kernel);
    t.same(
      chunk(input),
      [
        149252, 239001, 314314, 388905, 412944, 436279, 494217, 583538, 694815, 765011, 858449, 960270, 1035892,
        1048576,
      ],
    );
    const small = [1026, 2210, 2659, 3371, 4643, 5786, 6887, 8188, 9703, 10838, 11926, 13531, 14616, 15891, 16384];
    t.same(chunk(input.subarray(0, 16 * KiB), SMALL), small);
    t.same(chunk(generated(16 * KiB + 5).subarray(0, 16 * KiB), SMALL), small);
    const shared = new Uint8Array(new SharedArrayBuffer(16 * KiB));
    shared.set(input.subarray(0, 16 * KiB));
    t.same(chunk(shared, SMALL), small, 'shared memory');
    const whole = chunk(input, SMALL);
    t.same(
      inPieces(input, () => 1000, SMALL),
      whole,
    );
    t.same(
      inPieces(input, (n) => (n * 7919) % 257, SMALL),
      whole,
      'pieces of 0 to 256 bytes',
    );
    t.same(
      inPieces(input, (n) => (n % 2 ? 63 : 70000)),
      chunk(input),
    );
    t.same(
      inPieces(input.subarray(0, 5000), () => 1, SMALL),
      chunk(input.subarray(0, 5000), SMALL),
      'byte by byte',
    );
  });
}

t.test('sizes lie within minimum and maximum, the last excepted', async (t) => {
  const options: ChunkOptions[] = [SMALL, {}, { average: 4096 }, { minimum: 5000, average: 8192, maximum: 9001 }];
  for (const option of options) {
    const { average = 64 * KiB } = option;
    const { minimum = average / 4, maximum = average * 4 } = option;
    for (const bytes of [input, new Uint8Array(512 * KiB), new Uint8Array(512 * KiB).fill(0xa5)]) {
      const all = sizes(chunk(bytes, option));
      t.equal(
        all.reduce((sum, size) => sum + size, 0),
        bytes.length,
      );
      t.ok(all.every((size) => size > 0 && size <= maximum));
      t.ok(all.slice(0, -1).every((size) => size >= minimum));
    }
  }
  t.same(sizes(chunk(new Uint8Array(600 * KiB))), [256 * KiB, 256 * KiB, 88 * KiB], 'no content, no cut');
  t.same(chunk(new Uint8Array(0)), []);
  t.same(chunk(new Uint8Array(1)), [1]);
  t.same(chunk(new Uint8Array(8192), SMALL), [4096, 8192], 'a stream that ends with a cut has no further chunk');
});

t.test('an edit changes the chunks around it only', async (t) => {
  const before = chunk(input, SMALL);
  const edit = 500_000;
  const edited = new Uint8Array(input.length + 3);
  edited.set(input.subarray(0, edit));
  edited.set(input.subarray(edit), edit + 3);
  const after = new Set(chunk(edited, SMALL));
  const lost = before.filter((end) => !after.has(end <= edit ? end : end + 3));
  t.ok(before.length > 500 && lost.length <= 6, `${lost.length} of ${before.length} cuts lost`);
  t.ok(lost.every((end) => end > edit && end < edit + 40_000));
});

t.test('arguments are checked', async (t) => {
  const wrong: [ChunkOptions, RegExp][] = [
    [{ average: 1000 }, /average chunk size is 1000.*1024 to 4194304/],
    [{ average: 3000 }, /3000.*power of two/],
    [{ average: 8 * KiB * KiB }, /8388608/],
    [{ average: 1024.5 }, /1024.5/],
    [{ minimum: 255, average: 1024 }, /minimum chunk size is 255.*256 to 1024/],
    [{ minimum: 2048, average: 1024 }, /2048/],
    [{ maximum: 64 * KiB - 1 }, /maximum chunk size is 65535.*65536 to 67108864/],
    [{ maximum: 65 * KiB * KiB }, /68157440/],
  ];
  for (const [options, message] of wrong) {
    for (const call of [() => chunk(input, options), () => createChunker(options)]) {
      t.throws(call, { code: 'AS_ERR_INVALID_ARGUMENT', message });
    }
  }
  const chunker = createChunker();
  t.throws(() => chunker.update('text' as unknown as Uint8Array), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.throws(() => chunk(null as unknown as Uint8Array), { code: 'AS_ERR_INVALID_ARGUMENT', message: /null/ });
  t.same(chunker.finish(), []);
  t.throws(() => chunker.finish(), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.throws(() => chunker.update(input), { code: 'AS_ERR_INVALID_ARGUMENT' });
  t.throws(() => selectChunkKernel('abacus'), { code: 'AS_ERR_INVALID_ARGUMENT', message: /abacus.*portable/ });
});
