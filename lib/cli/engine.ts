/**
 * How hard V8 works on the code of a command: main.cts says it, and a session when.
 *
 * Imports nothing. V8 takes code that was kept, Node's own modules' and ours, only under the flags under which it was made: a flag that is set at the start
 * costs a put some 8 ms of compiling what lies ready, so it is set when everything has been loaded.
 */

let waiting: (() => void) | undefined;

/** Has `settle` run once what a command needs has been loaded. */
export function onLoaded(settle: () => void): void {
  waiting = settle;
}

/** What the command needs has been loaded. Whoever is told that first has given the core its first work before `settle` runs. */
export function loaded(): void {
  if (waiting !== undefined) setImmediate(waiting);
  waiting = undefined;
}
