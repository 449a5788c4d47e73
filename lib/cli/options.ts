/**
 * Options: how one is declared, which ones every command has, and what the environment may say instead.
 *
 * Every option has an environment variable, ARTIFACTSTORE_ and its long name. Imports commander and the settings of the
 * configuration, most of which are options. Called by the program and the commands.
 */

import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { storeSection } from '../config/sections/store.js';
import type { Section, Setting, ValueSchema } from '../config/setting.js';

/** What every command is told. */
export interface GlobalOptions {
  store: string;
  config?: string;
  dataplane?: string;
  cold?: string;
  coldReads?: 'stream' | 'restore';
  s3Endpoint?: string;
  s3Region?: string;
  s3Addressing?: 'path' | 'host';
  spool?: string;
  readOnly?: boolean;
  json?: boolean;
  quiet?: boolean;
  actor?: string;
  threads?: number;
  token?: string;
  tokenFile?: string;
  tlsCa?: string;
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
  const { path, ...others } = storeSection;
  return [
    settingOption(path).default(defaultStore()),
    ...settingOptions(others),
    option('--config <file>', 'a configuration file; options and variables outrank what it says'),
    option('--json', 'one JSON object a line, errors too'),
    option('-q, --quiet', 'only results and errors: no progress, no notes'),
    option('--actor <name>', 'who acts, for the event log (default: local:<user name>)'),
    option('--token <token>', 'who asks, where the store is a service'),
    option('--token-file <file>', 'the same, from a file'),
    option('--tls-ca <file>', 'who issued the certificate of the service, as PEM'),
  ];
}

const settingsOfOptions = new WeakMap<Option, Setting>();

/** Whether an option is a setting's: two commands may have options of one name that mean different things. */
export function isOptionOf(setting: Setting, option: Option): boolean {
  return settingsOfOptions.get(option) === setting;
}

/** The options of a section's settings. */
export function settingOptions(section: Section): Option[] {
  return Object.values(section)
    .filter((setting) => setting.option !== undefined)
    .map(settingOption);
}

/** The option of a setting that has one: its name, help, default, and the values it takes. */
function settingOption(setting: Setting): Option {
  const { option: flags, schema } = setting;
  const made = option(flags as string, schema.description);
  settingsOfOptions.set(made, setting);
  if (schema.default !== undefined) made.default(schema.default);
  if (schema.type === 'integer') return made.argParser(integer(schema.minimum, schema.maximum));
  if (schema.type === 'array') return made.argParser(listOf(schema.items));
  if (schema.type === 'string' && schema.enum) return made.choices(schema.enum);
  if (schema.type === 'string' && schema.pattern !== undefined)
    return made.argParser(matching(schema.pattern, schema.description));
  return made;
}

/** A parser for an option whose text has a form. */
function matching(pattern: string, description: string): (text: string) => string {
  const form = new RegExp(pattern, 'u');
  return (text) => {
    if (form.test(text)) return text;
    throw new InvalidArgumentError(`"${text}" is none: give ${description}.`);
  };
}

/** A parser for an option that may be repeated, or given several values with commas between them, as a variable must. */
function listOf(items: ValueSchema): (text: string, before: readonly string[] | undefined) => string[] {
  const pattern = new RegExp('pattern' in items ? (items.pattern ?? '') : '', 'u');
  return (text, before = []) => {
    const values = text.split(',').filter((value) => value !== '');
    const wrong = values.find((value) => !pattern.test(value));
    if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is none: give ${items.description}.`);
    return [...before, ...values];
  };
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
