/**
 * What a power cut leaves of a store: everything acknowledged. And that the test notices: with syncs that do nothing, something is
 * lost. ARTIFACTSTORE_POWER_CUTS says how many cuts on each file system. Needs root, loop devices and mkfs; says so where they are not.
 */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { IN_OWN_NAMESPACE, mountHindrance } from '../support/mounts.js';
import { spawnUnhooked } from '../support/unhooked.js';
import type { PowerCuts } from './power-cut.js';

const CUTS = Number(process.env.ARTIFACTSTORE_POWER_CUTS ?? 3);
const LYING_CUTS = 2;

async function powerCuts(t: Test, kind: string, cuts: number, lieAbout = '', way = ''): Promise<PowerCuts> {
  const folder = await mkdtemp(join(tmpdir(), 'artifactstore-power-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const module = fileURLToPath(new URL('./power-cut.js', import.meta.url));
  const [unshare, ...words] = IN_OWN_NAMESPACE;
  const args = [module, folder, kind, String(cuts), lieAbout, way];
  const child = spawnUnhooked(unshare, [...words, process.execPath, ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let result: PowerCuts | undefined;
  child.on('message', (message) => {
    result = message as PowerCuts;
  });
  const [code] = await once(child, 'close');
  if (result === undefined) throw new Error(`power-cut.js ended with ${code} and said nothing`);
  return result;
}

t.setTimeout(1_500_000 + CUTS * 120_000);
const skip = mountHindrance(['mkfs.xfs', 'mkfs.ext4', 'cc']) ?? false;

for (const kind of ['ext4', 'xfs']) {
  t.test(`${kind}: what was acknowledged survives a power cut`, { skip }, async (t) => {
    const { cuts, acknowledged, lost, differs } = await powerCuts(t, kind, CUTS);
    t.equal(cuts, CUTS);
    t.ok(acknowledged > cuts, `${acknowledged} acknowledged objects in ${cuts} cuts`);
    t.same(lost, [], 'none is lost');
    t.equal(differs, 0, 'the views are what the log says');
  });
}

for (const kind of ['ext4', 'xfs']) {
  t.test(`${kind}: what was deferred, and synced, survives a power cut`, { skip }, async (t) => {
    const { cuts, acknowledged, lost, differs } = await powerCuts(t, kind, CUTS, '', 'deferred');
    t.equal(cuts, CUTS);
    t.ok(acknowledged > cuts, `${acknowledged} acknowledged objects in ${cuts} cuts`);
    t.same(lost, [], 'none is lost');
    t.equal(differs, 0, 'the views are what the log says');
  });
}

t.test('without syncs of packs something is lost of what was deferred', { skip }, async (t) => {
  const { acknowledged, lost } = await powerCuts(t, 'xfs', LYING_CUTS, '/packs/', 'deferred');
  t.ok(lost.length > 0, `${lost.length} of ${acknowledged} acknowledged objects are lost`);
});

for (const part of ['/packs/', '/data/', 'events.sqlite']) {
  t.test(`without syncs of ${part} something is lost`, { skip }, async (t) => {
    const { acknowledged, lost } = await powerCuts(t, 'xfs', LYING_CUTS, part);
    t.ok(lost.length > 0, `${lost.length} of ${acknowledged} acknowledged objects are lost`);
  });
}
