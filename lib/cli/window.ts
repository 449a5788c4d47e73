/**
 * Many things at once, reported in order: what lets files share one durable commit while the output stays that of the input.
 *
 * Pure. Called by `put`, `rm` and `verify`.
 */

/** An item and what became of it. */
export interface Settled<T, R> {
  item: T;
  outcome: PromiseSettledResult<R>;
}

/**
 * Runs `work` on up to `most` items at once and gives their outcomes in the order of the items. An item is asked for only when there is
 * room; an outcome waits for those before it.
 */
export async function* inOrder<T, R>(
  items: AsyncIterable<T>,
  most: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<Settled<T, R>> {
  const window: Promise<Settled<T, R>>[] = [];
  for await (const item of items) {
    window.push(settle(item, work(item)));
    if (window.length >= most) yield await (window.shift() as Promise<Settled<T, R>>);
  }
  for (const settled of window) yield await settled;
}

async function settle<T, R>(item: T, work: Promise<R>): Promise<Settled<T, R>> {
  try {
    return { item, outcome: { status: 'fulfilled', value: await work } };
  } catch (reason) {
    return { item, outcome: { status: 'rejected', reason } };
  }
}
