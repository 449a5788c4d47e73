/** A process that appends to an upload session until it is killed: store folder and file as arguments. Started by inproc.test.ts. */

import { readFile } from 'node:fs/promises';
import { openInproc } from '../../lib/dataplane/inproc/index.js';

const [path = '', file = ''] = process.argv.slice(2);
const bytes = await readFile(file);
const half = bytes.byteLength / 2;
const plane = await openInproc({ path });

async function* slowly(start: number, end: number) {
  for (let at = start; at < end; at += 500_000) {
    yield bytes.subarray(at, Math.min(at + 500_000, end));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

await plane.ingestStream(slowly(0, half), { session: { id: 'killed', offset: 0, final: false } });
process.stdout.write('acknowledged\n');
await plane.ingestStream(slowly(half, bytes.byteLength), { session: { id: 'killed', offset: half, final: true } });
