/**
 * One run of the command line: builds the program, runs it, and turns what is thrown into one line and an exit code.
 *
 * Called by the executable, main.cts.
 */

import { CommanderError } from 'commander';
import { ArtifactStoreError } from '../errors.js';
import { onLoaded } from './engine.js';
import { EXIT, exitCodeOf } from './exit.js';
import { tidyEnvironment } from './options.js';
import { Output } from './output.js';
import { buildProgram, type Refused } from './program.js';

/**
 * Runs the command that the process was started with. The exit code is left in `process.exitCode`.
 *
 * @param settle run once what the command needs has been loaded
 */
export async function run(settle: () => void = () => undefined): Promise<void> {
  onLoaded(settle);
  process.on('uncaughtException', (error) => {
    fail(error);
    process.exit();
  });
  const program = await buildProgram(process.argv.slice(2));
  try {
    const unclear = tidyEnvironment(program, process.env);
    if (unclear !== undefined) throw usage(`${unclear} is "${process.env[unclear]}"; set it to 1 or 0.`);
    await program.parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) endCommander(error as Refused);
    else fail(error);
  }
}

/** Commander throws also when it has shown what was asked for. */
function endCommander(error: Refused): void {
  if (error.exitCode === EXIT.ok) return;
  if (error.code === 'commander.help')
    process.exitCode = EXIT.usage; // no command: the help has been shown
  else fail(usage(`${sentence(error.message)} Run "${error.help}" for what there is.`));
}

/** `error: unknown option '--x'\n(Did you mean --y?)` → `Unknown option '--x'. Did you mean --y?` */
function sentence(message: string): string {
  const text = message.replace(/^error: /, '').replace(/\s*\((Did you mean .*)\)$/s, '. $1');
  const ended = /[.?!]$/.test(text) ? text : `${text}.`;
  return ended.charAt(0).toUpperCase() + ended.slice(1);
}

function usage(message: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
}

function fail(error: unknown): void {
  const json = process.argv.includes('--json') || 'ARTIFACTSTORE_JSON' in process.env;
  new Output(json, false).error(error);
  process.exitCode = exitCodeOf(error);
}
