/**
 * Large local files on file systems that can and cannot share blocks: XFS within itself takes no space for the bytes, ext4 and a file from
 * another file system are copied, and the object is its own in every case. Needs root, loop devices and mkfs; says so where they are not.
 */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { IN_OWN_NAMESPACE, mountHindrance } from '../support/mounts.js';
import { spawnUnhooked } from '../support/unhooked.js';
import type { Taken } from './clone.js';

async function takeIn(t: Test, kind: string, sourceKind: string): Promise<Taken> {
  const folder = await mkdtemp(join(tmpdir(), 'artifactstore-clone-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const [unshare, ...words] = IN_OWN_NAMESPACE;
  const module = fileURLToPath(new URL('./clone.js', import.meta.url));
  const child = spawnUnhooked(unshare, [...words, process.execPath, module, folder, kind, sourceKind], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let taken: Taken | undefined;
  child.on('message', (message) => {
    taken = message as Taken;
  });
  const [code] = await once(child, 'close');
  if (taken === undefined) throw new Error(`clone.js ended with ${code} and said nothing`);
  return taken;
}

const skip = mountHindrance(['mkfs.xfs', 'mkfs.ext4']) ?? false;

for (const { kind, sourceKind, shares } of [
  { kind: 'xfs', sourceKind: 'same', shares: true },
  { kind: 'xfs', sourceKind: 'ext4', shares: false },
  { kind: 'ext4', sourceKind: 'same', shares: false },
]) {
  t.test(`a store on ${kind}, a file on ${sourceKind}`, { skip }, async (t) => {
    const { size, used, status, same } = await takeIn(t, kind, sourceKind);
    t.equal(status, 'intact');
    t.ok(same, 'the bytes are those that the file had when it was taken in');
    if (shares) t.ok(used < size / 4, `${used} bytes used for ${size}: the blocks are shared`);
    else t.ok(used >= size, `${used} bytes used for ${size}: the bytes were copied`);
  });
}
