/**
 * A process that appends to a log until it is killed, and reports what was acknowledged. Forked by sqlite-log.test.ts.
 */

import { openEventLog } from '../../lib/events/sqlite-log.js';
import { registryViews } from '../../lib/registry/views.js';
import { randomEvent, randomSource } from './random-events.js';

const [path = '', seed = ''] = process.argv.slice(2);
const log = await openEventLog({ path, views: registryViews });
const random = randomSource(Number(seed));

async function appendForEver(): Promise<never> {
  for (;;) {
    const events = Array.from({ length: 1 + random(5) }, () => randomEvent(random));
    const stored = await log.append(events);
    process.send?.(stored.map(({ seq, id }) => [seq, id]));
  }
}

await Promise.all(Array.from({ length: 8 }, appendForEver));
