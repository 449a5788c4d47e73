/**
 * Puts the compiled modules of the command line into one file, dist/lib/cli/commands.cjs, for main.cts to read in one go. Nothing is left out but
 * what starts programs for commander, and nothing is changed: the modules are those that the tests import one by one.
 *
 * A step of the build, after the compiler; never part of the package. esbuild does the work.
 */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const folder = join(root, 'dist/lib/cli');

/** Packages that bring a binary or files of their own, or that only a service needs; the others are read at every start. */
const APART = ['ajv', 'cbor-extract', 'node-gyp-build', 'piscina', 'sqlite3', 'undici'];

/** The benchmarks start programs of their own, by where they stand: main.cts does without the bundle for them. */
const BENCHMARKS = {
  name: 'benchmarks',
  setup: ({ onResolve }) => onResolve({ filter: /[/]bench[/]/ }, ({ path }) => ({ path, external: true })),
};

/** Commander starts programs of its own where a command is one; none is here, and Node's modules for that take some milliseconds at every start. */
const NO_PROGRAMS = {
  name: 'no programs',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^node:child_process$/ }, ({ path, importer }) =>
      importer.includes('/node_modules/commander/') ? { path, namespace: 'none' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'none' }, () => ({ contents: '' }));
  },
};

/**
 * Node's modules that our own call only when work is under way, each with what it exports as functions that load it when first called: they take one to two milliseconds
 * each, of the time in which a command has only one thing to do.
 */
const LATE = ['node:crypto', 'node:zlib'];
const LATER = {
  name: 'later',
  setup: ({ onResolve, onLoad }) => {
    onResolve({ filter: /^node:/ }, ({ path, importer }) =>
      LATE.includes(path) && importer.includes('/dist/lib/') ? { path, namespace: 'later' } : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'later' }, ({ path }) => {
      const names = Object.entries(process.getBuiltinModule(path)).filter(([, value]) => typeof value === 'function');
      const late = `let found; const late = () => (found ??= require('${path}'));`;
      const functions = names.map(([name]) => `export const ${name} = (...given) => late().${name}(...given);`);
      return { contents: [late, ...functions].join('\n') };
    });
  },
};

const { outputFiles, metafile } = await build({
  entryPoints: [join(folder, 'run.js')],
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.18',
  charset: 'ascii', // read as Latin-1, which V8 holds in a byte each
  minifyWhitespace: true,
  minifySyntax: true,
  external: APART,
  plugins: [BENCHMARKS, NO_PROGRAMS, LATER],
  supported: { 'dynamic-import': false }, // code that V8 has kept cannot import any more, but require
  define: { 'import.meta.url': 'moduleUrl' },
  banner: {
    js: "(function(module,exports,require,__dirname){const moduleUrl='file://'+encodeURI(__dirname)+'/commands.cjs';",
  },
  footer: { js: '})' },
  metafile: true,
  write: false,
  outdir: folder,
  absWorkingDir: root,
  logLevel: 'warning',
});

/** The packages whose code is in the bundle, each with its licence, which asks to go along. */
const packages = new Set(
  Object.keys(metafile.inputs).flatMap((input) => /^node_modules[/]((?:@[^/]+[/])?[^/]+)/.exec(input)?.[1] ?? []),
);
const licences = [...packages].map((name) => {
  const home = join(root, 'node_modules', name);
  const file = readdirSync(home).find((entry) => /^licen[cs]e/i.test(entry));
  const text = readFileSync(join(home, file), 'utf8').replaceAll('*/', '* /');
  return `/*! ${name}\n${text.trimEnd()}\n*/\n`;
});
const code = `${outputFiles[0].text}\n${licences.join('')}`;
const digest = createHash('sha256').update(code).digest('hex').slice(0, 16);
for (const name of readdirSync(folder)) if (name.startsWith('commands-')) rmSync(join(folder, name));
writeFileSync(join(folder, 'commands.cjs'), `/* ${digest} */${code}`);
