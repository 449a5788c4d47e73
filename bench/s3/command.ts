/** `npm run bench -- s3`: its words, and its report as text or JSON. Called by bench/main.ts. */

import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { positiveInteger } from '../arguments.js';
import { measureS3, renderS3 } from '../s3.js';
import { readSize } from '../sizes.js';

/** @param args the words after `s3` */
export async function benchS3(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '3' },
      size: { type: 'string', default: '1GiB' },
      folder: { type: 'string', default: tmpdir() },
      tls: { type: 'boolean', default: false },
    },
  });
  const report = await measureS3({
    rounds: positiveInteger('--rounds', values.rounds),
    size: readSize(values.size),
    folder: values.folder,
    tls: values.tls,
  });
  console.log(values.json ? JSON.stringify(report) : renderS3(report));
}
