/** What a process holds of memory, as Linux tells it. Pure but for reading /proc. */

import { readFileSync } from 'node:fs';

/** Bytes of memory that a process ever held at once; undefined where the system does not say. */
export function peakMemory(pid: number): number | undefined {
  return memoryOf(pid, 'VmHWM');
}

/** Bytes of memory that a process holds now; undefined where the system does not say. */
export function currentMemory(pid: number): number | undefined {
  return memoryOf(pid, 'VmRSS');
}

/** Bytes of memory that a process holds now and that no file holds for it: without mapped pages of files, which the kernel takes when it needs them. */
export function ownMemory(pid: number): number | undefined {
  return memoryOf(pid, 'RssAnon');
}

function memoryOf(pid: number, field: string): number | undefined {
  try {
    const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(
      readFileSync(`/proc/${pid}/status`, 'utf8'),
    )?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
