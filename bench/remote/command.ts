/** `npm run bench -- remote`: its words, and its report as text or JSON. Called by bench/main.ts. */

import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { listOf, positiveInteger } from '../arguments.js';
import { measureRemote, REMOTE_PARTS, renderRemote } from '../remote.js';
import { readSize } from '../sizes.js';

/** @param args the words after `remote` */
export async function benchRemote(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      only: { type: 'string', default: REMOTE_PARTS.join(',') },
      size: { type: 'string', default: '1GiB' },
      objects: { type: 'string', default: '20000' },
      folder: { type: 'string', default: tmpdir() },
    },
  });
  const report = await measureRemote({
    rounds: positiveInteger('--rounds', values.rounds),
    parts: listOf('--only', values.only, REMOTE_PARTS),
    size: readSize(values.size),
    objects: positiveInteger('--objects', values.objects),
    folder: values.folder,
  });
  console.log(values.json ? JSON.stringify(report) : renderRemote(report));
}
