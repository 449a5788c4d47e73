/**
 * Measures content-defined chunking: speed from memory on every path of this machine, and how much of real files it finds twice, beside
 * the scalar 64-bit gear hash with normalised chunking (Xia et al., FastCDC, USENIX ATC 2016) at the same sizes.
 *
 * Run: npm run bench -- chunk [--json] [--rounds N] [--average BYTES] [--edits N] [FILE or FOLDER …]
 * The files are laid end to end, with an edited copy after them unless --edits is 0. Without paths: this package's dependencies.
 *
 * Imports the public API. Called by main.ts.
 */

import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chunk, chunkKernels, describeNative, digestMany, selectChunkKernel, toHex } from '../lib/index.js';

/** More would not fit the 32-bit memory of the yardstick beside its own copy. */
const INPUT_SIZE_MAX = 256 * 1024 * 1024;
const NORMALISATION_BITS = 2;

interface Sizes {
  minimum: number;
  average: number;
  maximum: number;
}

/** Cuts the input that it was made for, whole. */
interface Contender {
  name: string;
  cut(): readonly number[];
}

interface Speed {
  name: string;
  /** GB/s over all rounds. */
  median: number;
  best: number;
}

interface Deduplication {
  name: string;
  chunks: number;
  meanSize: number;
  /** Of the input, in percent: bytes of chunks that were there before. */
  savedPercent: number;
}

interface GearExports {
  scan(at: number, end: number, mask: bigint): number;
  reset(): void;
  memory: { buffer: ArrayBuffer };
}

/** The type library for WebAssembly is that of browsers. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { exports: unknown };
};

/** Deterministic, so that two runs measure the same edits. */
class Random {
  #state = 0x9e3779b9;

  below(bound: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % bound;
  }
}

function listFiles(path: string): string[] {
  const stat = lstatSync(path);
  if (stat.isFile()) return [path];
  if (!stat.isDirectory()) return [];
  return readdirSync(path)
    .sort()
    .flatMap((name) => listFiles(join(path, name)));
}

/** The files of all paths end to end, up to `most` bytes. */
function readTrees(paths: readonly string[], most: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (const file of paths.flatMap(listFiles)) {
    if (size >= most) break;
    const part = readFileSync(file).subarray(0, most - size);
    parts.push(part);
    size += part.length;
  }
  return Buffer.concat(parts);
}

/** `count` edits at random places, each a third of the time an insertion, a deletion or a replacement of up to 200 bytes. */
function edited(bytes: Uint8Array, count: number): Uint8Array {
  const random = new Random();
  const places = Array.from({ length: count }, () => random.below(bytes.length)).sort((a, b) => a - b);
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const place of places) {
    if (place < from) continue;
    parts.push(bytes.subarray(from, place));
    const size = 1 + random.below(200);
    const kind = random.below(3);
    if (kind !== 1) parts.push(Uint8Array.from({ length: size }, () => random.below(256)));
    from = kind === 0 ? place : place + size;
  }
  parts.push(bytes.subarray(from));
  return Buffer.concat(parts);
}

/**
 * The yardstick's inner loop as a WebAssembly module, which V8 compiles to what a C compiler would make of it:
 *
 *   i32 scan(i32 at, i32 end, i64 mask): until at = end: hash = (hash << 1) + table[byte at `at`]; at = at + 1; if (hash & mask) is 0, return at.
 *   Return 0 when none is. The table of 256 64-bit numbers is at address 0; `hash` is a global and starts anew with reset().
 */
function gearModule(pages: number): GearExports {
  const section = (id: number, ...content: number[]) => [id, ...leb(content.length), ...content];
  const code = (...body: number[]) => [...leb(body.length), ...body];
  const name = (text: string) => [text.length, ...Buffer.from(text)];
  const [AT, END, MASK, HASH] = [0, 1, 2, 3] as const;
  const [I32, I64] = [0x7f, 0x7e] as const;
  const [GET, SET, TEE, GLOBAL_GET, GLOBAL_SET] = [0x20, 0x21, 0x22, 0x23, 0x24] as const;
  // The formatter would put one number on a line; an instruction or expression a line reads like the text format.
  // biome-ignore format: see above
  const step = (offset: number) => [
    GET, HASH, 0x42, 1, 0x86, // hash << 1
    GET, AT, 0x2d, 0, offset, 0x41, 3, 0x74, 0x29, 3, 0, 0x7c, TEE, HASH, // + table[byte]
    GET, MASK, 0x83, 0x50, 0x04, 0x40, // (hash & mask) = 0: store the hash and return at + offset + 1
    GET, HASH, GLOBAL_SET, 0, GET, AT, 0x41, offset + 1, 0x6a, 0x0f, 0x0b,
  ];
  // biome-ignore format: see above
  const loopWhile = (bytes: number) => [
    0x02, 0x40, 0x03, 0x40, // block, loop
    GET, AT, 0x41, bytes, 0x6a, GET, END, 0x4b, 0x0d, 1, // at + bytes > end: leave
    ...Array.from({ length: bytes }, (_, offset) => step(offset)).flat(),
    GET, AT, 0x41, bytes, 0x6a, SET, AT, 0x0c, 0, 0x0b, 0x0b,
  ];
  // biome-ignore format: see above
  const scan = code(
    1, 1, I64,
    GLOBAL_GET, 0, SET, HASH,
    ...loopWhile(8), ...loopWhile(1), // V8 looks for interruptions once a round: eight bytes a round cost it nothing
    GET, HASH, GLOBAL_SET, 0, 0x41, 0, 0x0b,
  );
  const reset = code(0, 0x42, 0, GLOBAL_SET, 0, 0x0b);
  const bytes = Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 2, 0x60, 3, I32, I32, I64, 1, I32, 0x60, 0, 0),
    ...section(3, 2, 0, 1),
    ...section(5, 1, 0, ...leb(pages)),
    ...section(6, 1, I64, 1, 0x42, 0, 0x0b),
    ...section(7, 3, ...name('scan'), 0, 0, ...name('reset'), 0, 1, ...name('memory'), 2, 0),
    ...section(10, 2, ...scan, ...reset),
  ]);
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as GearExports;
}

/** An unsigned number in LEB128. */
function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)];
}

/** 64-bit gear, masks of the top bits, two bits more before the average and two fewer after it; no warm-up after the minimum. */
function gear(input: Uint8Array, { minimum, average, maximum }: Sizes): Contender {
  const page = 65536;
  const { scan, reset, memory } = gearModule(1 + Math.ceil(input.length / page));
  const table = new BigUint64Array(memory.buffer, 0, 256);
  const random = new Random();
  for (let i = 0; i < 256; i++) table[i] = (BigInt(random.below(2 ** 32)) << 32n) | BigInt(random.below(2 ** 32));
  new Uint8Array(memory.buffer, page).set(input);
  const bits = Math.log2(average);
  const topBits = (count: number) => BigInt.asIntN(64, ((1n << BigInt(count)) - 1n) << BigInt(64 - count));
  const [strict, loose] = [topBits(bits + NORMALISATION_BITS), topBits(bits - NORMALISATION_BITS)];
  const cut = () => {
    const ends: number[] = [];
    const size = page + input.length;
    for (let at = page; at < size; ) {
      const [first, middle, last] = [at + minimum, at + average, at + maximum].map((end) => Math.min(end, size));
      reset();
      at =
        scan(first as number, middle as number, strict) ||
        scan(middle as number, last as number, loose) ||
        (last as number);
      ends.push(at - page);
    }
    return ends;
  };
  return { name: 'gear, 64 bits (WebAssembly)', cut };
}

/** All contenders in turn, round after round, so that what disturbs the machine disturbs all. */
function measureSpeeds(contenders: readonly Contender[], size: number, rounds: number): Speed[] {
  const times = contenders.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      const started = performance.now();
      contender.cut();
      if (round > 0) times[index]?.push(performance.now() - started); // the first round compiles and warms up
    }
  }
  return contenders.map(({ name }, index) => {
    const rates = (times[index] ?? []).map((time) => size / time / 1e6).sort((a, b) => a - b);
    return { name, median: rates[rates.length >> 1] ?? 0, best: rates.at(-1) ?? 0 };
  });
}

function measureDeduplication(name: string, input: Uint8Array, ends: readonly number[]): Deduplication {
  const chunks = ends.map((end, i) => input.subarray(ends[i - 1] ?? 0, end));
  const seen = new Set<string>();
  let saved = 0;
  for (const [i, { blake3 }] of digestMany(chunks).entries()) {
    const key = toHex(blake3);
    if (seen.has(key)) saved += chunks[i]?.length ?? 0;
    seen.add(key);
  }
  return {
    name,
    chunks: chunks.length,
    meanSize: input.length / chunks.length,
    savedPercent: (100 * saved) / input.length,
  };
}

function ours(input: Uint8Array, sizes: Sizes): Contender[] {
  return chunkKernels().kernels.map((kernel) => ({
    name: `artifactstore, ${kernel}`,
    cut() {
      selectChunkKernel(kernel);
      return chunk(input, sizes);
    },
  }));
}

/** @param args the words after `chunk` */
export function benchChunk(args: string[]): void {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '9' },
      average: { type: 'string', default: '65536' },
      edits: { type: 'string', default: '500' },
    },
  });
  const average = Number(values.average);
  const sizes = { minimum: average / 4, average, maximum: average * 4 };
  const edits = Number(values.edits);
  const paths = positionals.length > 0 ? positionals : ['node_modules'];
  const original = readTrees(paths, edits > 0 ? INPUT_SIZE_MAX / 2 : INPUT_SIZE_MAX);
  const input = edits > 0 ? Buffer.concat([original, edited(original, edits)]) : original;
  const contenders = [...ours(input, sizes), gear(input, sizes)];
  const [best, yardstick] = [contenders[0], contenders.at(-1)] as [Contender, Contender];
  const report = {
    machine: { cpu: cpus()[0]?.model ?? 'unknown', features: describeNative().cpuFeatures, node: process.version },
    input: { paths, size: input.length, edits },
    sizes,
    speeds: measureSpeeds(contenders, input.length, Number(values.rounds)),
    deduplication: [best, yardstick].map((contender) => measureDeduplication(contender.name, input, contender.cut())),
  };
  if (values.json) console.log(JSON.stringify(report, undefined, 2));
  else print(report);
}

function print(report: {
  speeds: Speed[];
  deduplication: Deduplication[];
  input: { size: number; edits: number };
}): void {
  console.log(`${report.input.size} bytes, ${report.input.edits} edits`);
  for (const { name, median, best } of report.speeds) {
    console.log(`${name.padEnd(30)} ${median.toFixed(2)} GB/s median, ${best.toFixed(2)} best`);
  }
  for (const { name, chunks, meanSize, savedPercent } of report.deduplication) {
    console.log(
      `${name.padEnd(30)} ${savedPercent.toFixed(2)}% saved, ${chunks} chunks of ${Math.round(meanSize)} bytes`,
    );
  }
}
