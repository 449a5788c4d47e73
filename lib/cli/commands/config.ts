/**
 * `artifactstore config`: whether a configuration file is right, what is in force and where it comes from, and the schema.
 *
 * Shows no secrets, because settings have none: they name files.
 */

import { Command } from 'commander';
import { serviceSection } from '../../config/sections/service.js';
import { ArtifactStoreError, isStoreError } from '../../errors.js';
import { settingOptions } from '../options.js';
import { runCommand, type Session } from '../session.js';
import { heldBy } from '../settings.js';

export function configCommand(): Command {
  const check = new Command('check')
    .description('Check a configuration file and say everything that is wrong with it.')
    .argument('[file]', 'the file; default: what --config names')
    .action((file: string | undefined, _flags: object, command: Command) =>
      runCommand(command, (session) => checkFile(session, file ?? session.options.config)),
    );
  const show = new Command('show')
    .description(
      'Show each setting as "serve" would have it, and where it comes from: option, variable, file or default.',
    )
    .action((_flags: object, command: Command) => runCommand(command, (session) => showSettings(session, command)));
  for (const one of settingOptions(serviceSection)) show.addOption(one);
  const schema = new Command('schema')
    .description('Print the JSON Schema of the configuration file.')
    .action((_flags: object, command: Command) => runCommand(command, printSchema));
  const config = new Command('config').description('Check and show the configuration.');
  return config.addCommand(check).addCommand(show).addCommand(schema);
}

async function checkFile(session: Session, file: string | undefined): Promise<void> {
  if (file === undefined) {
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', 'No file to check: name one, or set ARTIFACTSTORE_CONFIG.');
  }
  const { readConfiguration } = await import('../../config/read.js');
  try {
    await readConfiguration(file);
  } catch (error) {
    if (!isStoreError(error, 'AS_ERR_CONFIG')) throw error;
    for (const problem of error.details.problems as string[]) {
      session.fail(new ArtifactStoreError('AS_ERR_CONFIG', `${file}: ${problem}`, { file }));
    }
    return;
  }
  await session.output.result(`${file}: valid`, { file, valid: true });
}

async function showSettings({ output }: Session, command: Command): Promise<void> {
  for (const { section, name, value, source, origin } of heldBy(command)) {
    const setting = `${section}.${name}`;
    const json = { setting, value: value ?? null, source, origin };
    await output.result(`${setting} = ${value === undefined ? '-' : JSON.stringify(value)}  (${origin})`, json);
  }
}

async function printSchema({ output }: Session): Promise<void> {
  const { configurationSchema } = await import('../../config/schema.js');
  await output.write(`${JSON.stringify(configurationSchema(), null, 2)}\n`);
}
