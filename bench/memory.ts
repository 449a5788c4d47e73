/** What a process holds of memory and has written, as Linux tells it. Pure but for reading /proc. */

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

/** Bytes of mapped pages of files that a process holds now; undefined where the system does not say. */
export function mappedMemory(pid: number): number | undefined {
  return memoryOf(pid, 'RssFile');
}

/** Bytes that this process ever had written to disks; undefined where the system does not say. */
export function bytesWritten(): number | undefined {
  return numberIn('/proc/self/io', /^write_bytes: (\d+)$/m);
}

function memoryOf(pid: number, field: string): number | undefined {
  const kilobytes = numberIn(`/proc/${pid}/status`, new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm'));
  return kilobytes === undefined ? undefined : kilobytes * 1024;
}

function numberIn(path: string, pattern: RegExp): number | undefined {
  try {
    const found = pattern.exec(readFileSync(path, 'utf8'))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}
