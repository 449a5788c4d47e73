/**
 * A store whose bytes are in a daemon beside one that has them itself: large and small objects in and out, through the same calls of the library, on the same
 * machine, so with the same cores.
 *
 * Uses the public API and `artifactstore dataplane`. Called by bench/remote/command.ts.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../lib/index.js';
import { startDataPlane } from './http/servers.js';
import { makeFile } from './ingest/sources.js';
import { describeFileSystem, describeMachine, machineLine } from './machine.js';
import { peakMemory } from './memory.js';
import { settle } from './programs.js';
import { SMALL_SIZE, type Subject, smallObjects, WORKS, type Work } from './remote/works.js';
import { inTurns, median } from './rounds.js';
import { sizeName } from './sizes.js';
import { table } from './table.js';

export type RemotePart = keyof typeof WORKS;
export const REMOTE_PARTS = Object.keys(WORKS) as RemotePart[];

export interface RemoteOptions {
  rounds: number;
  parts: readonly RemotePart[];
  /** Bytes of the large object. */
  size: number;
  /** How many small ones. */
  objects: number;
  /** Where the stores are made. */
  folder: string;
}

/** Where the bytes are. With a root, the daemon reads local files itself. */
const PLACES = ['in this process', 'daemon', 'daemon with the file’s folder as a root'] as const;
type Place = (typeof PLACES)[number];

/** What must be reached, as a part of what the same work takes in this process. */
const BARS: Readonly<Record<RemotePart, number>> = {
  'put-file': 0.8,
  'put-stream': 0.8,
  get: 0.8,
  'put-small': 0.5,
  'put-many': 0.5,
  'get-small': 0.5,
};

/** The memory that a daemon may have held at most, whatever came. */
const PEAK_MAX = 250e6;

interface Row {
  part: RemotePart;
  place: Place;
  unit: Work['unit'];
  median: number;
  /** The median of the rounds' ratios to the same work in this process. */
  ratio: number;
  /** Bytes the daemon held at most. */
  peakMemory?: number;
}

type Report = Awaited<ReturnType<typeof measureRemote>>;

/** Measures what is asked for; each round in a new store. */
export async function measureRemote({ rounds, parts, size, objects, folder }: RemoteOptions) {
  const machine = describeMachine();
  const work = mkdtempSync(join(folder, 'as-bench-'));
  try {
    const { path: file } = makeFile(join(work, 'source', 'object.bin'), size);
    const rows: Row[] = [];
    for (const part of parts) {
      const places = part === 'put-file' ? PLACES : PLACES.slice(0, 2);
      const values = places.map((): number[] => []);
      const peaks = places.map(() => 0);
      await inTurns(places, rounds, async (place, index) => {
        const { perSecond, peak } = await measureOnce(work, WORKS[part], place, {
          file,
          size,
          objects: smallObjects(objects),
        });
        values[index]?.push(perSecond);
        peaks[index] = Math.max(peaks[index] as number, peak ?? 0);
      });
      for (const [index, place] of places.entries()) {
        const own = values[index] as number[];
        const ratios = own.map((value, round) => value / (values[0]?.[round] as number));
        const peak = peaks[index] as number;
        rows.push({
          part,
          place,
          unit: WORKS[part].unit,
          median: median(own),
          ratio: median(ratios),
          ...(peak > 0 && { peakMemory: peak }),
        });
      }
    }
    return {
      benchmark: 'remote',
      machine,
      fileSystem: describeFileSystem(work),
      rounds,
      size,
      objects,
      rows,
      bars: judge(rows),
    };
  } finally {
    rmSync(work, { recursive: true });
  }
}

async function measureOnce(work: string, { unit, prepare, run }: Work, place: Place, given: Omit<Subject, 'store'>) {
  const folder = join(work, 'one');
  mkdirSync(folder);
  const roots = place === PLACES[2] ? ['--allow-root', join(work, 'source')] : [];
  const daemon = place === PLACES[0] ? undefined : await startDataPlane(folder, roots);
  const store = await openStore({ path: join(folder, 'store'), ...(daemon && { dataplane: daemon.url }) });
  try {
    const subject = { ...given, store };
    const prepared = (await prepare?.(subject)) ?? [];
    await settle(work);
    const began = performance.now();
    await run(subject, prepared);
    const seconds = (performance.now() - began) / 1000;
    const amount = unit === 'MB/s' ? given.size / 1e6 : given.objects.length;
    return { perSecond: amount / seconds, peak: daemon && peakMemory(daemon.pid) };
  } finally {
    await store.close();
    await daemon?.stop();
    rmSync(folder, { recursive: true });
  }
}

function judge(rows: readonly Row[]) {
  const speeds = rows
    .filter(({ part, place }) => place === (part === 'put-file' ? PLACES[2] : PLACES[1])) // a file that is sent is a stream
    .map(({ part, place, ratio }) => ({
      work: `${WORKS[part].title}; ${place}`,
      asked: `at least ${BARS[part]} × in this process`,
      found: `${ratio.toFixed(2)} ×`,
      reached: ratio >= BARS[part],
    }));
  const peak = Math.max(...rows.map(({ peakMemory = 0 }) => peakMemory));
  const memory = {
    work: 'memory of the daemon',
    asked: 'at most 250 MB',
    found: `${(peak / 1e6).toFixed(0)} MB`,
    reached: peak <= PEAK_MAX,
  };
  return peak > 0 ? [...speeds, memory] : speeds;
}

/** The report as text. */
export function renderRemote({ machine, fileSystem, rounds, size, objects, rows, bars }: Report): string {
  const head = `${machineLine(machine)}\n${fileSystem}; ${rounds} interleaved rounds; ${sizeName(size)}, and ${objects} objects of ${SMALL_SIZE} bytes`;
  const cells = rows.map(({ part, place, unit, median, ratio, peakMemory }) => [
    WORKS[part].title,
    place,
    `${median.toFixed(0)} ${unit}`,
    `${ratio.toFixed(2)}×`,
    peakMemory === undefined ? '' : (peakMemory / 1e6).toFixed(0),
  ]);
  const verdicts = bars.map(({ work, asked, found, reached }) => [work, asked, found, reached ? 'yes' : 'no']);
  return [
    head,
    table(['work', 'bytes are', 'median', 'of in this process', 'daemon MB'], cells, 2),
    table(['must be reached', 'asked', 'found', 'reached'], verdicts, 4),
  ].join('\n\n');
}
