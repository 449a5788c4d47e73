/** `npm run bench -- ingest`: its words, and its report as text or JSON. Called by bench/main.ts. */

import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { listOf, positiveInteger } from '../arguments.js';
import { INGEST_PARTS, measureIngest } from '../ingest.js';
import { readSize } from '../sizes.js';
import { renderIngest } from './report.js';

/** @param args the words after `ingest` */
export async function benchIngest(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '3' },
      only: { type: 'string', default: INGEST_PARTS.join(',') },
      files: { type: 'string', default: '10000' },
      size: { type: 'string', default: '1GiB' },
      folder: { type: 'string', default: tmpdir() },
    },
  });
  const report = await measureIngest({
    rounds: positiveInteger('--rounds', values.rounds),
    parts: listOf('--only', values.only, INGEST_PARTS),
    files: positiveInteger('--files', values.files),
    fileSize: readSize(values.size),
    quick: values.quick,
    folder: values.folder,
    ...(process.stderr.isTTY && { onStep: (text) => process.stderr.write(`\r\x1b[K${text}`) }),
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  console.log(values.json ? JSON.stringify(report) : renderIngest(report).trimEnd());
}
