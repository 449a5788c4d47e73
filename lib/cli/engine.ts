/**
 * What is put off until a command has given the core its first work, because until then there is nothing else to do: what Node loads when it is first asked for, and how hard
 * V8 works on the code of a command, which main.cts says.
 *
 * Imports nothing. V8 takes code that was kept, Node's own modules' and ours, only under the flags under which it was made: a flag that is set at the start
 * costs a put some 8 ms of compiling what lies ready, so it is set when everything has been loaded.
 */

let waiting: (() => void) | undefined;

/** Has `settle` run once what a command needs has been loaded. */
export function onLoaded(settle: () => void): void {
  waiting = settle;
}

/**
 * What the command needs has been loaded. Whoever is told that first has given the core its first work before `settle` runs.
 *
 * @param openOutput makes the streams for what the command is going to print
 */
export function loaded(openOutput: () => void): void {
  const settle = waiting;
  if (settle === undefined) return;
  waiting = undefined;
  setImmediate(() => {
    process.getBuiltinModule('node:crypto'); // for the identities of events
    openOutput();
    settle();
  });
}
