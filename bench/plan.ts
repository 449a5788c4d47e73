/**
 * Planning retention over a million objects: how long it takes to say what goes, where nearly all goes and where nothing does, and what readers wait meanwhile.
 *
 * Run: npm run bench -- plan [--json] [--objects N] [--versions N] [--rounds N] [--folder PATH]
 *
 * In this process and over the library. Called by bench/main.ts.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContentAddress, encodeManifest, fromHex, openStore, type Store } from '../lib/index.js';
import { describeFileSystem, describeMachine, type Machine, machineLine } from './machine.js';

export interface PlanBenchReport {
  benchmark: 'plan';
  machine: Machine;
  fileSystem: string;
  objects: number;
  versions: number;
  /** Where all versions but one go: seconds of each round, and how many objects the plan names. */
  goes: number[];
  named: number;
  /** Where all stay: seconds of each round. */
  stays: number[];
  /** Milliseconds that a question to the registry took at most while a plan was made. */
  waitMost: number;
}

export interface PlanBenchOptions {
  objects?: number;
  versions?: number;
  rounds?: number;
  folder?: string;
}

/** Fills a store with versions of one package, and plans. */
export async function measurePlan(options: PlanBenchOptions = {}): Promise<PlanBenchReport> {
  const { objects = 1_000_000, versions = 1000, rounds = 3, folder = tmpdir() } = options;
  const path = mkdtempSync(join(folder, 'artifactstore-bench-'));
  try {
    const store = await openStore({ path: join(path, 'store') });
    try {
      const known = await fill(store, objects, versions);
      const classes = { build: { keep: { last: 1, refs: [] } } };
      await store.retention.setPolicy('bench', { defaultClass: 'build', classes });
      const waits = watch(store, known);
      const goes: number[] = [];
      let named = 0;
      for (let round = 0; round < rounds; round++) {
        const began = performance.now();
        named = (await store.retention.plan({ record: false })).objects;
        goes.push((performance.now() - began) / 1000);
      }
      const waitMost = await waits.end();
      await store.retention.setPolicy('bench', {
        defaultClass: 'build',
        classes: { build: { keep: { matching: ['*'] } } },
      });
      const stays: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const began = performance.now();
        await store.retention.plan({ record: false });
        stays.push((performance.now() - began) / 1000);
      }
      return {
        benchmark: 'plan',
        machine: describeMachine(),
        fileSystem: describeFileSystem(path),
        ...{ objects, versions, goes, named, stays, waitMost },
      };
    } finally {
      await store.close();
    }
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}

/** Publishes versions of as many small files each; gives the address of one. */
async function fill(store: Store, objects: number, versions: number): Promise<ContentAddress> {
  const each = Math.floor(objects / versions);
  let known: ContentAddress | undefined;
  for (let version = 0; version < versions; version++) {
    const texts = Array.from({ length: each }, (_, n) => Buffer.from(`${version} ${n}`));
    const results = [...(await store.putMany(texts))];
    const entries = texts.map((text, n) => {
      const result = results[n] as (typeof results)[0];
      if (result instanceof Error) throw result;
      known = result.blake3;
      const [blake3, sha256] = [result.blake3, result.sha256].map((digest) => fromHex(digest.slice(-64)));
      return { kind: 'file', path: `f${n}`, size: text.byteLength, blake3, sha256 } as const;
    });
    const manifest = encodeManifest({ entries: entries as never });
    await store.packages.publish(manifest, `bench/package@${version}`);
  }
  return known as ContentAddress;
}

/** Asks the registry again and again; tells what the longest answer took. */
function watch(store: Store, address: ContentAddress): { end(): Promise<number> } {
  let isOver = false;
  const asking = (async () => {
    let most = 0;
    while (!isOver) {
      const began = performance.now();
      await store.stat(address);
      most = Math.max(most, performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return most;
  })();
  return {
    end: () => {
      isOver = true;
      return asking;
    },
  };
}

/** The report as people read it. */
export function renderPlan({
  machine,
  fileSystem,
  objects,
  versions,
  goes,
  named,
  stays,
  waitMost,
}: PlanBenchReport): string {
  const count = (number: number) => number.toLocaleString('en');
  const seconds = (rounds: readonly number[]) => rounds.map((one) => `${one.toFixed(2)} s`).join(', ');
  return [
    machineLine(machine),
    `${fileSystem}; ${count(objects)} objects in ${count(versions)} versions of a package`,
    `nearly all goes  ${seconds(goes)}; the plan names ${count(named)} objects`,
    `all stays        ${seconds(stays)}`,
    `beside the first, a question to the registry took ${waitMost.toFixed(1)} ms at most`,
  ].join('\n');
}
