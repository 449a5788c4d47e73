/**
 * The command line as a whole: every command, the options they share, and what a wrong call gives.
 *
 * Imports commander and the commands, which load the library only when they run. Called by main.ts and by the tests.
 */

import { Command, type CommanderError } from 'commander';
import { globalOptions } from './options.js';
import { applyConfiguration } from './settings.js';
import { packageVersion } from './version.js';

const EPILOGUE = `
An object is named by either digest, blake3:<hex> or sha256:<hex>, or by an
unambiguous prefix of at least 4 hex digits; a package by namespace/name@version
or namespace/name:ref, where :latest may be left out. The store is a folder, or
the URL of a service: http://…, https://… or unix:/path. Every option can also be
given as an environment variable: ARTIFACTSTORE_ and its name, as
ARTIFACTSTORE_STORE; many also in a configuration file, which both outrank.

Exit codes: 0 ok; 1 unexpected; 2 usage; 3 not found or deleted; 4 bad or
ambiguous digest; 5 damage found; 6 source unreadable or changed; 7 store
missing, locked or of another format, or service not reached; 8 no space,
read-only or I/O error; 9 not the expected bytes; 10 conflict; 11 not allowed;
130 interrupted.`;

/** The commands, in the order in which a newcomer needs them. Each is loaded when it is needed: a file that is read is time before the work. */
const COMMANDS: Readonly<Record<string, () => Promise<() => Command>>> = {
  put: async () => (await import('./commands/put.js')).putCommand,
  get: async () => (await import('./commands/get.js')).getCommand,
  push: async () => (await import('./commands/push.js')).pushCommand,
  pull: async () => (await import('./commands/pull.js')).pullCommand,
  packages: async () => (await import('./commands/packages.js')).packagesCommand,
  cat: async () => (await import('./commands/cat.js')).catCommand,
  diff: async () => (await import('./commands/diff.js')).diffCommand,
  ref: async () => (await import('./commands/ref.js')).refCommand,
  usage: async () => (await import('./commands/usage.js')).usageCommand,
  ls: async () => (await import('./commands/ls.js')).lsCommand,
  stat: async () => (await import('./commands/stat.js')).statCommand,
  verify: async () => (await import('./commands/verify.js')).verifyCommand,
  tier: async () => (await import('./commands/tier.js')).tierCommand,
  rm: async () => (await import('./commands/rm.js')).rmCommand,
  undelete: async () => (await import('./commands/undelete.js')).undeleteCommand,
  withdraw: async () => (await import('./commands/withdraw.js')).withdrawCommand,
  sweep: async () => (await import('./commands/sweep.js')).sweepCommand,
  policy: async () => (await import('./commands/policy.js')).policyCommand,
  hold: async () => (await import('./commands/hold.js')).holdCommand,
  lock: async () => (await import('./commands/lock.js')).lockCommand,
  retention: async () => (await import('./commands/retention.js')).retentionCommand,
  quota: async () => (await import('./commands/quota.js')).quotaCommand,
  reconcile: async () => (await import('./commands/reconcile.js')).reconcileCommand,
  erase: async () => (await import('./commands/erase.js')).eraseCommand,
  audit: async () => (await import('./commands/audit.js')).auditCommand,
  explain: async () => (await import('./commands/explain.js')).explainCommand,
  token: async () => (await import('./commands/token.js')).tokenCommand,
  config: async () => (await import('./commands/config.js')).configCommand,
  serve: async () => (await import('./commands/serve.js')).serveCommand,
  dataplane: async () => (await import('./commands/dataplane.js')).dataplaneCommand,
  compact: async () => (await import('./commands/compact.js')).compactCommand,
  rebuild: async () => (await import('./commands/rebuild.js')).rebuildCommand,
  doctor: async () => (await import('./commands/doctor.js')).doctorCommand,
  bench: async () => (await import('./commands/bench.js')).benchCommand,
};

/** Other names of commands, which the commands themselves declare. */
const ALIASES: Readonly<Record<string, string>> = { events: 'audit' };

/**
 * The program; parsing runs the command, and throws commander's errors instead of ending the process.
 *
 * @param words what the program is called with: it has the commands named there; all, when help is asked for or none is named
 */
export async function buildProgram(words: readonly string[] = []): Promise<Command> {
  const program = new Command('artifactstore')
    .description(
      'Content-addressed artifact store: every file under its BLAKE3 and SHA-256 digests, verified whenever it is read.',
    )
    .version(packageVersion())
    .addHelpText('after', EPILOGUE);
  for (const shared of globalOptions()) program.addOption(shared);
  const commands = await Promise.all(neededCommands(words).map((name) => COMMANDS[name]?.()));
  for (const make of commands) if (make !== undefined) program.addCommand(make());
  program.hook('preAction', (_, command) => (isAboutFiles(command) ? undefined : applyConfiguration(command)));
  configure(program);
  return program;
}

const HELP = ['help', '--help', '-h'];

function neededCommands(words: readonly string[]): string[] {
  const all = Object.keys(COMMANDS);
  if (words.length === 1 && ['-V', '--version'].includes(words[0] as string)) return [];
  const meant = words.map((word) => ALIASES[word] ?? word);
  const named = all.filter((name) => meant.includes(name));
  return named.length === 0 || words.some((word) => HELP.includes(word)) ? all : named;
}

/** `config check` and `config schema`, which have to work with a file that is wrong. */
function isAboutFiles(command: Command): boolean {
  return command.parent?.name() === 'config' && command.name() !== 'show';
}

/** A command line that commander refused, and the help that says what it takes. */
export interface Refused extends CommanderError {
  /** Such as `artifactstore hold --help`. */
  readonly help: string;
}

/** Settings that commander does not hand down to commands added whole. */
function configure(command: Command, path = command.name()): void {
  const help = command.parent === null ? `${path} help` : `${path} --help`;
  command.exitOverride((error) => {
    throw Object.assign(error, { help }) satisfies Refused;
  });
  command.configureOutput({ outputError: () => undefined });
  for (const below of command.commands) configure(below, `${path} ${below.name()}`);
}
