/** `npm run bench -- sweep`: its words, and its report as text or JSON. Called by bench/main.ts. */

import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { positiveInteger } from '../arguments.js';
import { measureSweep } from '../sweep.js';
import { renderSweep } from './report.js';

/** Seconds between filling and sweeping: what filling wrote, some gigabytes in bursts, a disk or the host of a virtual one is still putting away, and stands still for it now and then. */
const SETTLE = 120;

/** @param args the words after `sweep` */
export async function benchSweep(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      objects: { type: 'string', default: '1000000' },
      size: { type: 'string', default: '1000' },
      settle: { type: 'string', default: String(SETTLE) },
      folder: { type: 'string', default: tmpdir() },
    },
  });
  const report = await measureSweep({
    objects: positiveInteger('--objects', values.objects),
    size: positiveInteger('--size', values.size),
    folder: values.folder,
    settle: positiveInteger('--settle', values.settle),
  });
  console.log(values.json ? JSON.stringify(report) : renderSweep(report));
}
