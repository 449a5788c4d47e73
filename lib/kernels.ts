/**
 * Which native code runs here, and a way to choose: for diagnosis and benchmarks. Programs that only store things never need it.
 *
 * Imports the native addon, which above the data plane only lib/chunk.ts and lib/digest.ts do too. Called by lib/doctor.ts, by benchmarks and
 * by users through lib/index.ts.
 */

import { ArtifactStoreError } from './errors.js';
import type { KernelCounters } from './native/addon.js';
import { loadAddon } from './native/load.js';

/** What the native addon says about itself and the machine. */
export interface NativeDescription {
  /** The kernel set in use. */
  kernel: string;
  /** Kernel sets this machine can run, best first. */
  kernels: string[];
  /** CPU features found, separated by spaces. */
  cpuFeatures: string;
  /** The I/O engine in use: `uring`, `posix`, or `none` when the environment variable ARTIFACTSTORE_IO asks for what is not to be had. */
  io: string;
  /** Why it is that one: a sentence. */
  ioReason: string;
  /** Version of the data format it reads and writes. */
  storeFormat: number;
  /** How often each way through the kernels has run in this process. */
  counters: KernelCounters;
}

/**
 * What runs on this machine.
 *
 * @throws AS_ERR_NATIVE: the addon cannot be loaded
 */
export function describeNative(): NativeDescription {
  const { kernel, kernels, cpuFeatures, io, ioReason, storeFormat, counters } = loadAddon().describe();
  return { kernel, kernels, cpuFeatures, io, ioReason, storeFormat, counters };
}

/**
 * Makes a kernel set the one in use, for the whole process; not while a store is open or another thread digests. The environment variable
 * ARTIFACTSTORE_CPU does the same from the start.
 *
 * @param name one of `describeNative().kernels`
 * @throws AS_ERR_INVALID_ARGUMENT: this machine cannot run it
 * @throws AS_ERR_NATIVE
 */
export function selectKernel(name: string): void {
  const { kernels } = describeNative();
  if (!kernels.includes(name)) {
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `This machine cannot run the kernel set "${name}"; it has ${kernels.join(', ')}.`,
      { name, kernels },
    );
  }
  loadAddon().selectKernel(name);
}
