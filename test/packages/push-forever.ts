/** Pushes a directory that changes a little each time, over and over; tells each version that was acknowledged. Killed by packages.test.ts. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openStore } from '../../lib/index.js';

process.on('disconnect', () => process.exit(1)); // nobody listens any more

const [path = '', folder = '', round = ''] = process.argv.slice(2);
const store = await openStore({ path });
for (let n = 0; ; n++) {
  writeFileSync(join(folder, 'changing'), `round ${round}, push ${n}`);
  const { manifest } = await store.packages.push(folder, `a/x@${round}.${n}`, { refs: ['latest'] });
  process.send?.({ version: `${round}.${n}`, manifest });
}
