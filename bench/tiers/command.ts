/** `npm run bench -- tiers`: its words, and its report as text or JSON. Called by bench/main.ts. */

import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { positiveInteger } from '../arguments.js';
import { readSize } from '../sizes.js';
import { measureTiers, renderTiers } from '../tiers.js';

/** @param args the words after `tiers` */
export async function benchTiers(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '3' },
      size: { type: 'string', default: '1GiB' },
      files: { type: 'string', default: '1000' },
      folder: { type: 'string', default: tmpdir() },
    },
  });
  const report = await measureTiers({
    rounds: positiveInteger('--rounds', values.rounds),
    size: readSize(values.size),
    files: positiveInteger('--files', values.files),
    folder: values.folder,
  });
  console.log(values.json ? JSON.stringify(report) : renderTiers(report));
}
