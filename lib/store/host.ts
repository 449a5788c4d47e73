/**
 * Hosts the data plane of a store for other processes: the composition of `artifactstore dataplane`.
 *
 * Part of the composition root: imports the data plane in this process and the daemon. Called by the command line.
 */

import { openInproc } from '../dataplane/inproc/index.js';
import { type HostOptions, hostPlane, type RunningHost } from '../dataplane/remote/daemon/host.js';
import { prepareFolder } from './folder.js';

export interface HostStoreOptions extends HostOptions {
  /** Folder of the store whose objects are hosted, in its `data`; made when it is missing, unless `readOnly`. */
  path: string;
  threads?: number;
}

/**
 * Opens the data plane of a store and listens.
 *
 * @throws AS_ERR_STORE_LOCKED: another process has it open; AS_ERR_IO: another daemon listens there; and what opening a store throws
 */
export async function hostStore({ path, threads, ...options }: HostStoreOptions): Promise<RunningHost> {
  const { readOnly } = options;
  const { data, durable } = await prepareFolder(path, !readOnly, 'hosted');
  const plane = await openInproc({ path: data, readOnly, ...(threads !== undefined && { threads }) });
  try {
    await durable;
    const host = await hostPlane(plane, options);
    const { paths, metricsUrl } = host;
    const close = () => host.close().finally(() => plane.close());
    return { paths, ...(metricsUrl !== undefined && { metricsUrl }), close };
  } catch (error) {
    await plane.close();
    throw error;
  }
}
