/**
 * Options: how one is declared, which ones every command has, and what the environment may say instead.
 *
 * Every option has an environment variable, ARTIFACTSTORE_ and its long name. Imports commander and limits. Called by the program and
 * the commands.
 */

import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { WORKERS_MAX } from '../limits.js';

/** What every command is told. */
export interface GlobalOptions {
  store: string;
  readOnly?: boolean;
  json?: boolean;
  quiet?: boolean;
  actor?: string;
  threads?: number;
}

const ON = ['1', 'true', 'yes', 'on'];
const OFF = ['', '0', 'false', 'no', 'off'];

/** An option with its environment variable. */
export function option(flags: string, description: string): Option {
  const made = new Option(flags, description);
  return made.env(environmentName(made));
}

/** `--read-only` → `ARTIFACTSTORE_READ_ONLY`. */
export function environmentName(of: Option): string {
  return `ARTIFACTSTORE_${(of.long ?? '').slice(2).replaceAll('-', '_').toUpperCase()}`;
}

/** A parser for an option that takes a whole number. */
export function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`Give a whole number from ${least} to ${most}.`);
  };
}

/** The store when none is named: one a user, wherever the command or `npm start` is run. */
export function defaultStore(): string {
  return join(process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'artifactstore');
}

/** The options of every command. */
export function globalOptions(): Option[] {
  return [
    option('--store <folder>', 'the store').default(defaultStore()),
    option('--read-only', 'open the store for reading; several processes may at once'),
    option('--json', 'one JSON object a line, errors too'),
    option('-q, --quiet', 'only results and errors: no progress, no notes'),
    option('--actor <name>', 'who acts, for the event log (default: local:<user name>)'),
    option(
      '--threads <count>',
      `worker threads, 1 to ${WORKERS_MAX} (default: as many as cores, at least 2)`,
    ).argParser(integer(1, WORKERS_MAX)),
  ];
}

/**
 * Makes the environment mean what people expect: `ARTIFACTSTORE_JSON=0` and empty variables count as not set, where commander takes
 * any value of a switch as yes.
 *
 * @returns the name of a switch's variable whose value is neither yes nor no
 */
export function tidyEnvironment(program: Command, environment: NodeJS.ProcessEnv): string | undefined {
  for (const { envVar, required, optional } of allOptions(program)) {
    const value = envVar === undefined ? undefined : environment[envVar]?.toLowerCase();
    if (envVar === undefined || value === undefined) continue;
    const takesValue = required || optional;
    if (value === '' || (!takesValue && OFF.includes(value))) delete environment[envVar];
    else if (!takesValue && !ON.includes(value)) return envVar;
  }
  return undefined;
}

/** Every option of a command and of those below it. */
export function allOptions(command: Command): Option[] {
  return [...command.options, ...command.commands.flatMap(allOptions)];
}
