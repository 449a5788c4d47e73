/** What a store must still have after whatever happened to it. */

import type { Test } from 'tap';
import type { Store } from '../../lib/index.js';

/** Fails the test for each object that was acknowledged and cannot be read, and for each that is damaged. Gives how many are whole. */
export async function countWhole(t: Test, store: Store, acknowledged: ReadonlySet<string>): Promise<number> {
  for (const name of acknowledged) {
    const read = await (await store.get(name)).bytes().catch((error: Error) => error);
    if (read instanceof Error) t.fail(`${name} was acknowledged: ${read.message}`);
  }
  let checked = 0;
  for await (const found of await store.scrub()) {
    if (!('result' in found) || found.result.status !== 'intact') t.fail(JSON.stringify(found));
    checked++;
  }
  return checked;
}
