/**
 * The command line as a whole: every command, the options they share, and what a wrong call gives.
 *
 * Imports commander and the commands, which load the library only when they run. Called by main.ts and by the tests.
 */

import { Command } from 'commander';
import { benchCommand } from './commands/bench.js';
import { doctorCommand } from './commands/doctor.js';
import { eventsCommand } from './commands/events.js';
import { getCommand } from './commands/get.js';
import { lsCommand } from './commands/ls.js';
import { putCommand } from './commands/put.js';
import { rebuildCommand } from './commands/rebuild.js';
import { rmCommand } from './commands/rm.js';
import { serveCommand } from './commands/serve.js';
import { statCommand } from './commands/stat.js';
import { verifyCommand } from './commands/verify.js';
import { globalOptions } from './options.js';
import { packageVersion } from './version.js';

const EPILOGUE = `
An object is named by either digest, blake3:<hex> or sha256:<hex>, or by an
unambiguous prefix of at least 4 hex digits. Every option can also be given as
an environment variable: ARTIFACTSTORE_ and its name, as ARTIFACTSTORE_STORE.

Exit codes: 0 ok; 1 unexpected; 2 usage; 3 not found or deleted; 4 bad or
ambiguous digest; 5 damage found; 6 source unreadable or changed; 7 store
missing, locked or of another format; 8 no space, read-only or I/O error;
9 not the expected bytes; 10 conflict; 130 interrupted.`;

/** The commands, in the order in which a newcomer needs them. */
const COMMANDS = [
  putCommand,
  getCommand,
  lsCommand,
  statCommand,
  verifyCommand,
  rmCommand,
  eventsCommand,
  serveCommand,
  rebuildCommand,
  doctorCommand,
  benchCommand,
];

/** The program; parsing runs the command, and throws commander's errors instead of ending the process. */
export function buildProgram(): Command {
  const program = new Command('artifactstore')
    .description(
      'Content-addressed artifact store: every file under its BLAKE3 and SHA-256 digests, verified whenever it is read.',
    )
    .version(packageVersion())
    .addHelpText('after', EPILOGUE);
  for (const shared of globalOptions()) program.addOption(shared);
  for (const make of COMMANDS) program.addCommand(make());
  configure(program);
  return program;
}

/** Settings that commander does not hand down to commands added whole. */
function configure(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => undefined });
  for (const below of command.commands) configure(below);
}
