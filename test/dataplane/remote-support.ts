/** What the tests of the remote data plane share: a daemon in this process over a store of its own, and clients of it. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { ClosableDataPlane } from '../../lib/dataplane/closable.js';
import { type InprocOptions, openInproc } from '../../lib/dataplane/inproc/index.js';
import { type HostOptions, hostPlane } from '../../lib/dataplane/remote/daemon/host.js';
import { openRemote, type RemoteOptions } from '../../lib/dataplane/remote/index.js';
import type { ContentAddress } from '../../lib/dataplane/spi.js';
import { damageStored } from '../support/stored.js';

export const HOST: Omit<HostOptions, 'listen'> = {
  software: 'artifactstore test',
  readOnly: false,
  closeGraceMs: 1_000,
  onError: (error) => {
    throw error;
  },
};

/** A folder of the test's own; its name is short, because that of a socket may be no longer than 107 bytes. */
export async function folder(t?: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'as-remote-'));
  t?.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A client of a daemon in this process over a data plane of the test's own, which is `inner` or stands before it. All of it ends with the test. */
export async function clientOf(t: Test, plane: ClosableDataPlane, inner: ClosableDataPlane, path: string) {
  const host = await hostPlane(plane, { ...HOST, listen: [`unix:${path}/s`] });
  const client = await openRemote({ socketPath: join(path, 's') });
  t.teardown(async () => {
    await client.close();
    await host.close();
    await inner.close();
  });
  return client;
}

/** A daemon in this process, and a client of it. */
export async function openDaemon(options: Partial<HostOptions> & { inproc?: Partial<InprocOptions> } = {}) {
  const path = await folder();
  const data = join(path, 'data');
  const socketPath = join(path, 'socket');
  const { inproc, ...hostOptions } = options;
  let plane = await openInproc({ path: data, ...inproc });
  const listen = [`unix:${socketPath}`];
  let host = await hostPlane(plane, { ...HOST, ...hostOptions, listen });
  const client = await openRemote({ socketPath });
  /** Ends the daemon and starts it again. */
  const restart = async () => {
    await host.close();
    await plane.close();
    plane = await openInproc({ path: data, ...inproc });
    host = await hostPlane(plane, { ...HOST, ...hostOptions, listen });
  };
  return {
    client,
    socketPath,
    data,
    restart,
    connect: (more: Partial<RemoteOptions> = {}) => openRemote({ socketPath, ...more }),
    /** @param removes whether what it kept goes too */
    close: async (removes = true) => {
      await client.close().catch(() => undefined); // it may have lost what was deferred
      await host.close();
      await plane.close();
      if (removes) await rm(path, { recursive: true });
    },
    damage: (address: ContentAddress, offset: number) => damageStored(data, address, offset),
  };
}
