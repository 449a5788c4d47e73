/** On what a figure was measured: without it, the figure says nothing. Imports the public API. Called by benchmarks. */

import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { describeNative } from '../lib/index.js';

export interface Machine {
  cpu: string;
  cores: number;
  /** Bytes. */
  memory: number;
  os: string;
  arch: string;
  node: string;
  openssl: string;
  /** The kernel set that the library chose. */
  kernel: string;
  cpuFeatures: string;
}

export function describeMachine(): Machine {
  const { kernel, cpuFeatures } = describeNative();
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown processor',
    cores: availableParallelism(),
    memory: totalmem(),
    os: `${type()} ${release()}`,
    arch: process.arch,
    node: process.versions.node,
    openssl: process.versions.openssl,
    kernel,
    cpuFeatures,
  };
}
