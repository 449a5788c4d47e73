/**
 * Power cuts, one after the other: a store on a file system of its own, whose disk is copied at a random instant while objects are put
 * into it. Whatever was acknowledged before the copy began is in the copy, whole and in the registry, and whatever its log names is whole.
 * Run by power-cut.test.ts in a mount namespace of its own, so that nothing stays mounted however this ends.
 *
 * The disk is an image file on an XFS file system, which is in an image file itself: there a reflink copies it in one instant.
 *
 * Usage: power-cut.js <folder> ext4|xfs <cuts> [<lie about> [deferred]]. Syncs of files whose path contains <lie about>, unless it is empty, are
 * not done. With `deferred` the objects are put so. Sends its parent {cuts, acknowledged, lost, differs}.
 */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { openStore, type Store } from '../../lib/index.js';
import { allObjects } from '../support/all-objects.js';
import { makeImage, mountImage, run } from '../support/mounts.js';
import { spawnUnhooked } from '../support/unhooked.js';

/** What became of the acknowledged objects. */
export interface PowerCuts {
  cuts: number;
  acknowledged: number;
  lost: string[];
  /** Cuts after which the views were not what the log says. */
  differs: number;
}

const CUTS_PER_DISK = 5;
const [folder = '', kind = '', cuts = '', lieAbout = '', way = ''] = process.argv.slice(2);
const outer = join(folder, 'outer');
const disk = join(outer, 'disk.img');
const copy = join(outer, 'copy.img');
const live = join(folder, 'live');
const cut = join(folder, 'cut');

/** The library that makes all syncs lies. */
function lyingSyncs(): string {
  const library = join(folder, 'lying-syncs.so');
  const source = fileURLToPath(new URL('../../../test/store/lying-syncs.c', import.meta.url));
  run('cc', '-shared', '-fPIC', '-o', library, source, '-ldl');
  return library;
}

function startPutting(): ChildProcess {
  const module = fileURLToPath(new URL('./put-forever.js', import.meta.url));
  const env = lieAbout ? { ...process.env, LD_PRELOAD: lyingSyncs(), LIE_ABOUT: lieAbout } : process.env;
  return spawnUnhooked(process.execPath, [module, join(live, 'store'), way], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env,
  });
}

/** Whether dropping the views and computing them again gives what they were. */
async function viewsDiffer(store: Store): Promise<boolean> {
  const before = await allObjects(store);
  await store.rebuild();
  return !isDeepStrictEqual(await allObjects(store), before);
}

/** Looks for each acknowledged object, and for each that an event names. */
async function examine(store: Store, acknowledged: readonly string[], result: PowerCuts): Promise<void> {
  const named = (await allObjects(store)).filter(({ state }) => state === 'live').map(({ blake3 }) => blake3);
  for (const address of new Set([...acknowledged, ...named])) {
    const status = await store.verify(address).then(
      (found) => found.status,
      (error: Error) => error.message,
    );
    if (status !== 'intact') result.lost.push(`${address} is ${status}`);
  }
  if (await viewsDiffer(store)) result.differs++;
}

/** Opens what the power cut left and examines it. Where syncs were lies, nothing need be readable at all: then everything is lost. */
async function openAndExamine(acknowledged: readonly string[], result: PowerCuts): Promise<void> {
  let store: Store | undefined;
  try {
    store = await openStore({ path: join(cut, 'store'), create: false });
    await examine(store, acknowledged, result);
  } catch (error) {
    if (lieAbout === '') throw error;
    result.lost.push(...acknowledged);
  } finally {
    await store?.close().catch((error) => {
      if (lieAbout === '') throw error;
    });
  }
}

/** One power cut. `acknowledged` has what the disk should hold already, and grows. */
async function cutPower(acknowledged: string[], result: PowerCuts): Promise<void> {
  const child = startPutting();
  child.on('message', (address) => acknowledged.push(address as string));
  await once(child, 'message');
  await sleep(Math.random() * 800);
  const before = acknowledged.length;
  run('cp', '--reflink=always', disk, copy);
  child.kill('SIGKILL');
  await once(child, 'close');
  try {
    mountImage(copy, cut, ...(kind === 'xfs' ? ['nouuid'] : []));
  } catch (error) {
    if (lieAbout === '') throw error;
    result.lost.push(...acknowledged);
    return;
  }
  await openAndExamine(acknowledged.slice(0, before), result);
  result.cuts++;
  result.acknowledged += before;
  run('umount', cut);
}

async function main(): Promise<PowerCuts> {
  const result: PowerCuts = { cuts: 0, acknowledged: 0, lost: [], differs: 0 };
  makeImage(join(folder, 'outer.img'), '12G', 'xfs');
  mountImage(join(folder, 'outer.img'), outer);
  for (let left = Number(cuts); left > 0; left -= CUTS_PER_DISK) {
    const acknowledged: string[] = [];
    makeImage(disk, '2G', kind);
    mountImage(disk, live);
    for (let i = 0; i < Math.min(left, CUTS_PER_DISK); i++) await cutPower(acknowledged, result);
    run('umount', live);
  }
  run('umount', outer);
  return result;
}

const orphaned = () => process.exit(1);
process.on('disconnect', orphaned);
const result = await main();
await new Promise((resolve) => process.send?.(result, resolve)); // whole: many lost objects are more than a socket takes at once
process.off('disconnect', orphaned);
process.disconnect?.();
