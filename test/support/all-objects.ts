/** Every object of a store, page by page. For tests that compare views. */

import type { ObjectRecord, Store } from '../../lib/index.js';

export async function allObjects(store: Store): Promise<ObjectRecord[]> {
  const objects: ObjectRecord[] = [];
  let cursor: string | undefined;
  do {
    const page = await store.list({ limit: 10_000, ...(cursor === undefined ? {} : { cursor }) });
    objects.push(...page.objects);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return objects;
}
