/** `npm run bench -- http`: its words, and its report as text or JSON. Called by bench/main.ts. */

import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { listOf, positiveInteger } from '../arguments.js';
import { measureHttp } from '../http.js';
import { readSize } from '../sizes.js';
import { renderHttp } from './report.js';
import { HTTP_PARTS } from './shapes.js';

/** @param args the words after `http` */
export async function benchHttp(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      only: { type: 'string', default: HTTP_PARTS.join(',') },
      size: { type: 'string', default: '1GiB' },
      seconds: { type: 'string', default: '3' },
      files: { type: 'string', default: '10000' },
      readers: { type: 'string', default: '1000' },
      folder: { type: 'string', default: tmpdir() },
    },
  });
  const report = await measureHttp({
    rounds: positiveInteger('--rounds', values.rounds),
    parts: listOf('--only', values.only, HTTP_PARTS),
    size: readSize(values.size),
    seconds: positiveInteger('--seconds', values.seconds),
    files: positiveInteger('--files', values.files),
    readers: positiveInteger('--readers', values.readers),
    folder: values.folder,
    ...(process.stderr.isTTY && { onStep: (text) => process.stderr.write(`\r\x1b[K${text}`) }),
  });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  console.log(values.json ? JSON.stringify(report) : renderHttp(report).trimEnd());
}
