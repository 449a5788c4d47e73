/**
 * Settings in force: what options, environment and configuration file say, the higher outranking the lower.
 *
 * Imports commander's types, the sections and, where a file is named, its reader. Called by the program before each command, and by the commands
 * that have settings.
 */

import type { Command, Option, OptionValueSource } from 'commander';
import { type Configuration, SECTIONS, type SectionName } from '../config/sections.js';
import type { InForce, Section, Setting } from '../config/setting.js';
import { type GlobalOptions, isOptionOf } from './options.js';

/** Where a value comes from. */
export type Source = 'option' | 'environment' | 'file' | 'default';

/** A setting with what is in force for it. */
export interface Held {
  section: SectionName;
  name: string;
  value: unknown;
  source: Source;
  /** The same for people: `--port`, `ARTIFACTSTORE_PORT`, the file, `default`. */
  origin: string;
}

/** Commander's names for where a value comes from. A value of ours is entered under the name `config`. */
const SOURCES: Readonly<Record<string, Source>> = { cli: 'option', env: 'environment', config: 'file' };

/** What the file of each command says, for settings that are no options. */
const files = new WeakMap<Command, Configuration>();

/**
 * Enters what the configuration file says, if one is named, wherever neither an option nor a variable says something else.
 *
 * @throws AS_ERR_CONFIG
 */
export async function applyConfiguration(command: Command): Promise<void> {
  const { config } = command.optsWithGlobals<GlobalOptions>();
  if (config === undefined) return;
  const { readConfiguration } = await import('../config/read.js');
  const written = await readConfiguration(config);
  files.set(command, written);
  for (const { setting, value } of valuesOf(written)) {
    const place = setting.option === undefined ? undefined : placeOf(command, setting);
    if (place === undefined || outranksFile(place.owner.getOptionValueSource(place.key))) continue;
    place.owner.setOptionValueWithSource(place.key, value, 'config');
  }
}

/** A section's settings as they are in force for a command. */
export function settingsOf<Name extends SectionName>(command: Command, name: Name): InForce<(typeof SECTIONS)[Name]> {
  const held = heldBy(command).filter(({ section }) => section === name);
  return Object.fromEntries(held.map((one) => [one.name, one.value])) as InForce<(typeof SECTIONS)[Name]>;
}

/** Every setting that a command has, or that the file gives. */
export function heldBy(command: Command): Held[] {
  const written = files.get(command) ?? {};
  const file = String(command.optsWithGlobals<GlobalOptions>().config);
  return Object.entries<Section>(SECTIONS).flatMap(([section, settings]) =>
    Object.entries(settings).flatMap(([name, setting]): Held[] => {
      const place = setting.option === undefined ? undefined : placeOf(command, setting);
      const here = { section: section as SectionName, name };
      if (place !== undefined) {
        const source = SOURCES[place.owner.getOptionValueSource(place.key) ?? ''] ?? 'default';
        const origin = source === 'file' ? file : originOf(source, place.option);
        return [{ ...here, value: place.owner.getOptionValue(place.key), source, origin }];
      }
      const value = (written as Record<string, Record<string, unknown>>)[section]?.[name];
      return value === undefined ? [] : [{ ...here, value, source: 'file', origin: file }];
    }),
  );
}

function* valuesOf(written: Configuration): Generator<{ setting: Setting; value: unknown }> {
  for (const [section, settings] of Object.entries<Section>(SECTIONS)) {
    for (const [name, value] of Object.entries<unknown>(written[section as SectionName] ?? {})) {
      yield { setting: settings[name] as Setting, value };
    }
  }
}

function outranksFile(source: OptionValueSource | undefined): boolean {
  return source === 'cli' || source === 'env';
}

function originOf(source: Source, { long, envVar }: Option): string {
  if (source === 'option') return String(long);
  return source === 'environment' ? String(envVar) : source;
}

/** A setting's option, the command that has it, this one or one above it, and the name of its value there. */
function placeOf(command: Command, setting: Setting): { owner: Command; option: Option; key: string } | undefined {
  for (let owner: Command | null = command; owner !== null; owner = owner.parent) {
    const option = owner.options.find((one) => isOptionOf(setting, one));
    if (option !== undefined) return { owner, option, key: option.attributeName() };
  }
  return undefined;
}
