/**
 * Who takes files in: this store as a person starts it, and what people use instead, each with the settings it comes with.
 *
 * Imports bench modules only. Called by bench/ingest.ts.
 */

import { basename, dirname, join } from 'node:path';
import { PEERS_COMMAND, resolvePeer } from '../peers.js';
import { findProgram, type Program, runProgram } from '../programs.js';
import { COMMAND_LINE } from '../root.js';
import type { Source } from './sources.js';

/**
 * What is on disk when a program ends. `yes`: bytes and names are synced; `bytes`: the bytes are, not the name that leads to them;
 * `no`: nothing is, and a power cut may take all of it.
 */
export type Durable = 'yes' | 'bytes' | 'no';

/** The steps of one round, each a program of its own; those behind `verify` are other ways to do the same. */
export type Step = 'put' | 'get' | 'verify' | 'quick' | 'library' | 'libraryQuick';

/** A program that may time a part of itself: it prints the `seconds`, as JSON. */
export interface Timed extends Program {
  ownClock?: boolean;
}

/** A store of files, in a folder that is new in every round. */
export interface Archive {
  name: string;
  durable: (source: Source) => Durable;
  /** Makes an empty repository in `home`; not timed. */
  prepare: (home: string) => Program[];
  /** Takes a file or tree in. */
  put: (home: string, source: Source) => Program;
  /** Gives a file back, to nowhere; absent where it cannot. */
  get?: (home: string, source: Source) => Program;
  /** Reads everything again and compares digests. */
  verify?: (home: string, source: Source) => Program;
  /** The same by BLAKE3 alone. */
  quick?: (home: string) => Program;
  /** Both in a process that has done it before: what verifying takes where no process has to start, as in a service. */
  library?: (home: string, source: Source) => Timed;
  libraryQuick?: (home: string, source: Source) => Timed;
  /** Takes no trees. */
  fileOnly?: boolean;
  /** Takes most of a minute for a GiB, so a quick run leaves it out. */
  slowWithFiles?: boolean;
}

/** Archives that are here, this store first, and what is not, in sentences. */
export async function archives(): Promise<{ archives: Archive[]; absent: string[] }> {
  const absent: string[] = [];
  const found: Archive[] = [artifactstore()];
  if (findProgram('cp') && findProgram('sync')) found.push(copyAndSync());
  for (const { command, debian, versionArgs, make } of INSTALLED) {
    if (findProgram(command) === undefined)
      absent.push(`${command} is not installed (Debian: apt-get install ${debian})`);
    else found.push(make(`${command} ${await version(command, versionArgs)}`));
  }
  if (resolvePeer('cacache') === undefined) absent.push(`cacache is not installed (in a checkout: ${PEERS_COMMAND})`);
  else found.push(cacache());
  return { archives: found, absent };
}

const INSTALLED = [
  { command: 'restic', debian: 'restic', versionArgs: ['version'], make: restic },
  { command: 'borg', debian: 'borgbackup', versionArgs: ['--version'], make: borg },
  { command: 'casync', debian: 'casync', versionArgs: ['--version'], make: casync },
  { command: 'git', debian: 'git', versionArgs: ['--version'], make: git },
];

async function version(command: string, args: string[]): Promise<string> {
  const { stdout } = await runProgram({ command, args });
  return /\d+(\.\d+)*/.exec(stdout)?.[0] ?? 'of unknown version';
}

function artifactstore(): Archive {
  const run = (home: string, ...args: string[]): Program => ({
    command: process.execPath,
    args: [COMMAND_LINE, '--store', join(home, 'store'), ...args],
  });
  const verifyWarm =
    (digests: 'both' | 'blake3') =>
    (home: string, { sha256 = '' }: Source): Timed => ({
      command: process.execPath,
      args: [join(import.meta.dirname, 'verify-child.js'), join(home, 'store'), sha256, digests],
      ownClock: true,
    });
  return {
    name: 'artifactstore',
    durable: () => 'yes',
    // As for the others, an empty repository is there: storing nothing makes one.
    prepare: (home) => [{ command: 'mkdir', args: [join(home, 'empty')] }, run(home, 'put', join(home, 'empty'))],
    put: (home, { path }) => ({ ...run(home, 'put', path), discardOutput: true }),
    get: (home, { sha256 }) => run(home, 'get', `sha256:${sha256}`, '-o', '/dev/null'),
    verify: (home) => run(home, 'verify'),
    quick: (home) => run(home, 'verify', '--quick'),
    library: verifyWarm('both'),
    libraryQuick: verifyWarm('blake3'),
  };
}

/** No store at all: the least that a durable copy can cost. */
function copyAndSync(): Archive {
  const copy = (home: string) => join(home, 'copy');
  return {
    name: 'cp, then sync FILE',
    durable: () => 'bytes',
    fileOnly: true,
    prepare: () => [],
    put: (home, { path }) => ({ command: 'sh', args: ['-c', 'cp "$0" "$1" && sync "$1"', path, copy(home)] }),
    get: (home) => ({ command: 'cat', args: [copy(home)], discardOutput: true }),
  };
}

/** Encrypts and compresses, as always. */
function restic(name: string): Archive {
  const run = (home: string, ...args: string[]): Program => ({
    command: 'restic',
    args: ['--quiet', '--repo', join(home, 'repository'), ...args],
    env: { RESTIC_PASSWORD: 'benchmark', XDG_CACHE_HOME: join(home, 'cache') },
  });
  return {
    name,
    durable: () => 'yes',
    prepare: (home) => [run(home, 'init')],
    put: (home, { path }) => run(home, 'backup', path),
    get: (home, { path }) => ({ ...run(home, 'dump', 'latest', path), discardOutput: true }),
    verify: (home) => run(home, 'check', '--read-data'),
  };
}

/** Without encryption, with its own compression. */
function borg(name: string): Archive {
  const run = (home: string, ...args: string[]): Program => ({
    command: 'borg',
    args,
    env: { BORG_BASE_DIR: join(home, 'base'), BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes' },
  });
  const archive = (home: string) => `${join(home, 'repository')}::one`;
  return {
    name,
    durable: () => 'yes',
    prepare: (home) => [run(home, 'init', '--encryption', 'none', join(home, 'repository'))],
    put: (home, { path }) => run(home, 'create', archive(home), path),
    get: (home) => ({ ...run(home, 'extract', '--stdout', archive(home)), discardOutput: true }),
    verify: (home) => run(home, 'check', '--verify-data', join(home, 'repository')),
  };
}

/** Gives back to a regular file only. */
function casync(name: string): Archive {
  const index = (home: string, { files }: Source) => join(home, files === 1 ? 'one.caibx' : 'one.caidx');
  const run = (home: string, verb: string, ...args: string[]): Program => ({
    command: 'casync',
    args: [verb, `--store=${join(home, 'chunks.castr')}`, ...args],
  });
  return {
    name,
    durable: () => 'no',
    prepare: () => [],
    put: (home, source) => run(home, 'make', index(home, source), source.path),
    get: (home, source) => run(home, 'extract', index(home, source), join(home, 'extracted')),
  };
}

/** core.bigFileThreshold as git has it: what is larger goes to a pack, which git syncs; loose objects it does not sync. */
const GIT_LOOSE_SIZE_MAX = 512 * 1024 * 1024;

function git(name: string): Archive {
  const run = (home: string, ...args: string[]): Program => ({
    command: 'git',
    args: [`--git-dir=${join(home, 'repository')}`, ...args],
    env: { GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' },
  });
  const tree = ({ path, files }: Source) => (files === 1 ? dirname(path) : path);
  return {
    name,
    durable: ({ files, size }) => (size / files > GIT_LOOSE_SIZE_MAX ? 'bytes' : 'no'),
    slowWithFiles: true,
    prepare: (home) => [run(home, 'init', '--quiet', '--bare')],
    put: (home, source) => run(home, `--work-tree=${tree(source)}`, 'add', '--all', '.'),
    get: (home, { path }) => ({ ...run(home, 'cat-file', 'blob', `:${basename(path)}`), discardOutput: true }),
    verify: (home) => run(home, 'fsck', '--full'),
  };
}

function cacache(): Archive {
  const child = join(import.meta.dirname, 'cacache-child.js');
  const run = (home: string, verb: Step, ...args: string[]): Program => ({
    command: process.execPath,
    args: [child, verb, join(home, 'cache'), ...args],
  });
  return {
    name: 'cacache',
    durable: () => 'no',
    prepare: () => [],
    put: (home, { path }) => run(home, 'put', path),
    get: (home, { path }) => run(home, 'get', path),
    verify: (home) => run(home, 'verify'),
  };
}
