/**
 * Much work, some of it at once, its results in order.
 *
 * Pure. Called by this folder.
 */

/**
 * Does the work for each item, `most` at once, and gives the results in the order of the items. The first failure ends it, once nothing goes on behind it.
 */
export async function* inParallel<T, R>(
  items: Iterable<T>,
  most: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const window: Promise<R>[] = [];
  try {
    for (const item of items) {
      const doing = work(item);
      doing.catch(() => undefined); // reported where it is awaited
      window.push(doing);
      if (window.length >= most) yield await (window.shift() as Promise<R>);
    }
    for (let next = window.shift(); next; next = window.shift()) yield await next;
  } finally {
    await Promise.allSettled(window);
  }
}
