/**
 * A store on S3 beside the clients that people use for S3: one large file into the bucket and out again, on the same server, as programs, process start included.
 *
 * The server is OpenStack Swift on this machine, so it takes its share of the same cores, the same of everybody. Ours hashes twice over and verifies what comes back;
 * the others do as they are. Uses the command line. Called by bench/s3/command.ts.
 */

import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makeFile } from './ingest/sources.js';
import { describeFileSystem, describeMachine, machineLine } from './machine.js';
import { type Run, runProgram, settle, tellsPeakMemory } from './programs.js';
import { inTurns, median } from './rounds.js';
import { type Client, clientsOf, type Move } from './s3/clients.js';
import { freePorts, missingForSwift, startSwift } from './s3/swift.js';
import { missingForTls, startTls } from './s3/tls.js';
import { sizeName } from './sizes.js';
import { table } from './table.js';

export interface S3BenchOptions {
  rounds: number;
  /** Bytes of the file. */
  size: number;
  /** Where files, stores and the server's own are made. */
  folder: string;
  /** Through TLS. */
  tls: boolean;
}

/** What must be reached: this part of the speed of the best client, in less of its CPU time, in so much memory. */
const SPEED_LEAST = 0.9;
const PEAK_MAX = 250e6;

const DIRECTIONS = ['up', 'down'] as const;
type Direction = (typeof DIRECTIONS)[number];

interface Row {
  client: string;
  direction: Direction;
  /** Medians. */
  megabytesPerSecond: number;
  cpuSeconds?: number;
  /** The largest, in bytes. */
  peakMemory?: number;
}

type Report = Awaited<ReturnType<typeof measureS3>>;

/** Measures every client in each round. Throws Error: Swift is not installed. */
export async function measureS3({ rounds, size, folder, tls }: S3BenchOptions) {
  const missing = missingForSwift();
  if (tls && missingForTls().length > 0)
    throw new Error(`${missingForTls().join(', ')} missing: apt-get install nginx-light openssl`);
  if (missing.length > 0)
    throw new Error(
      `Swift is not installed: ${missing.join(', ')} missing. apt-get install swift-proxy swift-account swift-container swift-object memcached`,
    );
  const machine = describeMachine();
  const work = mkdtempSync(join(folder, 'as-bench-'));
  const server = await startSwift(work);
  const [port = 0] = await freePorts(1);
  const front = tls ? await startTls(server.endpoint, join(work, 'tls'), port) : undefined;
  try {
    const clients = clientsOf({ ...server, ...front });
    const { path: source } = makeFile(join(work, 'source', 'object.bin'), size);
    const runs = new Map<string, Run[]>();
    let number = 0;
    await inTurns(clients, rounds, async (client) => {
      const [up, down] = await measureOnce(client, work, source, size, `round-${++number}`);
      for (const [direction, run] of [
        ['up', up],
        ['down', down],
      ] as const) {
        const name = `${client.name} ${direction}`;
        runs.set(name, [...(runs.get(name) ?? []), run]);
      }
    });
    const rows = clients.flatMap(({ name }) =>
      DIRECTIONS.map((direction) => rowOf(name, direction, size, runs.get(`${name} ${direction}`) ?? [])),
    );
    return {
      benchmark: 's3',
      machine,
      fileSystem: describeFileSystem(work),
      rounds,
      size,
      tls,
      rows,
      bars: judge(rows),
    };
  } finally {
    await front?.stop();
    await server.stop();
    rmSync(work, { recursive: true });
  }
}

async function measureOnce(
  client: Client,
  work: string,
  source: string,
  size: number,
  key: string,
): Promise<[Run, Run]> {
  const folder = join(work, 'one');
  mkdirSync(folder);
  try {
    const move: Move = { file: source, key, folder, printed: '' };
    await settle(work);
    const up = await runProgram(client.put(move));
    const target = join(folder, 'target.bin');
    await settle(work);
    const down = await runProgram(client.get({ ...move, file: target, printed: up.stdout }));
    if (statSync(target).size !== size)
      throw new Error(`${client.name} gave back ${statSync(target).size} of ${size} bytes`);
    return [up, down];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function rowOf(client: string, direction: Direction, size: number, runs: readonly Run[]): Row {
  const cpu = runs.map(({ cpuSeconds }) => cpuSeconds).filter((value) => value !== undefined);
  const peaks = runs.map(({ peakMemory }) => peakMemory ?? 0);
  return {
    client,
    direction,
    megabytesPerSecond: median(runs.map(({ seconds }) => size / 1e6 / seconds)),
    ...(cpu.length > 0 && { cpuSeconds: median(cpu), peakMemory: Math.max(...peaks) }),
  };
}

function judge(rows: readonly Row[]) {
  const verdicts = DIRECTIONS.flatMap((direction) => {
    const [own, ...others] = rows.filter((row) => row.direction === direction);
    const best = others.reduce<Row | undefined>(
      (fastest, row) => (fastest && fastest.megabytesPerSecond >= row.megabytesPerSecond ? fastest : row),
      undefined,
    );
    if (own === undefined || best === undefined) return [];
    const ratio = own.megabytesPerSecond / best.megabytesPerSecond;
    const speed = {
      work: `${direction}, speed`,
      asked: `at least ${SPEED_LEAST} × ${best.client}, the fastest other`,
      found: `${ratio.toFixed(2)} ×`,
      reached: ratio >= SPEED_LEAST,
    };
    if (own.cpuSeconds === undefined || best.cpuSeconds === undefined) return [speed];
    const cpu = {
      work: `${direction}, CPU time`,
      asked: `less than ${best.client}’s ${best.cpuSeconds.toFixed(1)} s`,
      found: `${own.cpuSeconds.toFixed(1)} s`,
      reached: own.cpuSeconds < best.cpuSeconds,
    };
    return [speed, cpu];
  });
  const peak = Math.max(
    ...rows.filter(({ client }) => client === rows[0]?.client).map(({ peakMemory = 0 }) => peakMemory),
  );
  const memory = {
    work: 'memory',
    asked: 'at most 250 MB',
    found: `${(peak / 1e6).toFixed(0)} MB`,
    reached: peak <= PEAK_MAX,
  };
  return tellsPeakMemory() ? [...verdicts, memory] : verdicts;
}

/** The report as text. */
export function renderS3({ machine, fileSystem, rounds, size, tls, rows, bars }: Report): string {
  const head = `${machineLine(machine)}\n${fileSystem}; ${rounds} interleaved rounds; ${sizeName(size)}; OpenStack Swift ${tls ? 'behind TLS of nginx, both ' : ''}on the same machine`;
  const cells = rows.map(({ client, direction, megabytesPerSecond, cpuSeconds, peakMemory }) => [
    client,
    direction,
    `${megabytesPerSecond.toFixed(0)} MB/s`,
    cpuSeconds === undefined ? '' : `${cpuSeconds.toFixed(1)} s`,
    peakMemory === undefined ? '' : (peakMemory / 1e6).toFixed(0),
  ]);
  const verdicts = bars.map(({ work, asked, found, reached }) => [work, asked, found, reached ? 'yes' : 'no']);
  const note = tellsPeakMemory()
    ? ''
    : '\n\nCPU time and memory are not told: GNU time is not installed (apt-get install time).';
  return `${[
    head,
    table(['client', 'direction', 'median', 'CPU time', 'peak MB'], cells, 2),
    table(['must be reached', 'asked', 'found', 'reached'], verdicts, 4),
  ].join('\n\n')}${note}`;
}
