/** On what a figure was measured: without it, the figure says nothing. Imports the public API. Called by benchmarks. */

import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import { resolve, sep } from 'node:path';
import { describeNative } from '../lib/index.js';
import { sizeName } from './sizes.js';

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
  /** The day of the measurement, UTC. */
  date: string;
  /** Processes that ran or waited in the minute before: well under the cores on a machine that has nothing else to do. */
  load: number;
}

/** Called before anything is measured, for the load. */
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
    date: new Date().toISOString().slice(0, 10),
    load: loadavg()[0] ?? 0,
  };
}

/** One line for people. */
export function machineLine({ cpu, cores, memory, node, openssl, os, kernel, date, load }: Machine): string {
  const hardware = `${cpu}, ${cores} cores (load ${load.toFixed(1)}), ${sizeName(memory)}`;
  return `${hardware}; Node ${node}, OpenSSL ${openssl}, ${os}; kernel set ${kernel}; ${date}`;
}

/**
 * The file system that holds a path, with its options, as `ext4 on /dev/sda1 (rw,relatime)`.
 *
 * @param mounts the text of /proc/self/mounts; the one of this process by default
 */
export function describeFileSystem(path: string, mounts = readMounts()): string {
  const target = resolve(path);
  let best = { folder: '', text: 'unknown file system' };
  for (const line of mounts.split('\n')) {
    const [device = '', mount = '', kind = '', options = ''] = line.split(' ');
    const folder = mount.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const holds = target === folder || target.startsWith(folder.endsWith(sep) ? folder : folder + sep);
    // Of two on the same folder, the later one covers the earlier.
    if (folder !== '' && holds && folder.length >= best.folder.length) {
      best = { folder, text: `${kind} on ${device} (${options})` };
    }
  }
  return best.text;
}

function readMounts(): string {
  const file = '/proc/self/mounts';
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}
