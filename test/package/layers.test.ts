/**
 * The layer rules hold, and would notice if they did not: violations are planted in a copy of the sources, and
 * dependency-cruiser must name the rule each of them breaks.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import t from 'tap';

const root = resolve(import.meta.dirname, '../../..');

/** Where bytes must never be touched. */
const GUARDED = ['lib/api', 'lib/registry', 'lib/events', 'lib/retention', 'lib/audit', 'lib/access'];

interface Plant {
  file: string;
  source: string;
  /** Empty for a file that is only there to be imported. */
  rule: string;
}

const fileSystem: Plant[] = GUARDED.flatMap((folder) =>
  [
    "import { readFileSync } from 'node:fs';\nexport default readFileSync;\n",
    "import { open } from 'node:fs/promises';\nexport default open;\n",
    "import { readFileSync } from 'fs';\nexport default readFileSync;\n",
    "import type { Stats } from 'node:fs';\nexport type Planted = Stats;\n",
    "export default async () => (await import('node:fs')).readFileSync;\n",
  ].map((source, n) => ({ file: `${folder}/planted-fs-${n}.ts`, source, rule: 'no-file-system-above-the-contract' })),
);

const native: Plant[] = GUARDED.flatMap((folder) =>
  [
    "import { loadAddon } from '../native/load.js';\nexport default loadAddon;\n",
    "import load from 'node-gyp-build';\nexport default load;\n",
    "import type { NativeAddon } from '../native/addon.js';\nexport type Planted = NativeAddon;\n",
  ].map((source, n) => ({ file: `${folder}/planted-native-${n}.ts`, source, rule: 'no-native-above-the-contract' })),
);

const others: Plant[] = [
  {
    file: 'lib/registry/planted-backend.ts',
    source: "import * as inproc from '../dataplane/inproc/planted.js';\nexport default inproc;\n",
    rule: 'only-the-contract',
  },
  {
    file: 'lib/registry/planted-detour.ts',
    source: "import * as helper from '../planted-helper.js';\nexport default helper;\n",
    rule: 'control-plane-never-reaches-bytes',
  },
  {
    file: 'lib/planted-helper.ts',
    source: "import * as inproc from './dataplane/inproc/planted.js';\nexport default inproc;\n",
    rule: 'one-composition-root',
  },
  {
    file: 'lib/config/planted.ts',
    source: "import { loadAddon } from '../native/load.js';\nexport default loadAddon;\n",
    rule: 'native-only-for-bytes',
  },
  {
    file: 'lib/dataplane/inproc/planted.ts',
    source: "import load from 'node-gyp-build';\nexport default load;\n",
    rule: 'one-loader',
  },
  {
    file: 'lib/events/planted-sqlite.ts',
    source: "import sqlite3 from 'sqlite3';\nexport default sqlite3;\n",
    rule: 'one-database-driver-door',
  },
  {
    file: 'lib/events/planted-cbor.ts',
    source: "import { encode } from 'cbor-x';\nexport default encode;\n",
    rule: 'one-cbor-door',
  },
  {
    file: 'lib/client/planted-undici.ts',
    source: "import { request } from 'undici';\nexport default request;\n",
    rule: 'one-http-client-door',
  },
  {
    file: 'lib/api/oci/planted.ts',
    source: "import * as door from '../http/planted-door.js';\nexport default door;\n",
    rule: 'doors-stand-apart',
  },
  { file: 'lib/api/http/planted-door.ts', source: 'export default 1;\n', rule: '' },
  {
    file: 'lib/cli/remote.ts',
    source: "import * as door from '../api/http/planted-door.js';\nexport default door;\n",
    rule: 'a-url-opens-the-client',
  },
  {
    file: 'lib/store/planted.ts',
    source: "import * as door from '../api/http/planted-door.js';\nexport default door;\n",
    rule: 'nothing-imports-a-door',
  },
  {
    file: 'lib/audit/planted-store.ts',
    source: "import * as store from '../store/planted.js';\nexport default store;\n",
    rule: 'nothing-below-imports-the-store',
  },
  {
    file: 'lib/dataplane/remote/planted.ts',
    source: "import * as events from '../../events/planted-cbor.js';\nexport default events;\n",
    rule: 'data-plane-decides-nothing',
  },
  {
    file: 'lib/planted-a.ts',
    source: "import { b } from './planted-b.js';\nexport const a = (): number => b();\n",
    rule: 'no-cycles',
  },
  {
    file: 'lib/planted-b.ts',
    source: "import { a } from './planted-a.js';\nexport const b = (): number => a();\n",
    rule: '', // a cycle is named once, from its first module
  },
  {
    file: 'lib/planted-test.ts',
    source: "import * as helper from '../test/planted.js';\nexport default helper;\n",
    rule: 'no-tests-in-the-product',
  },
  { file: 'test/planted.ts', source: 'export default 1;\n', rule: '' },
  {
    file: 'bench/planted.ts',
    source: "import * as helper from '../lib/planted-helper.js';\nexport default helper;\n",
    rule: 'benchmarks-use-the-public-api',
  },
  {
    file: 'lib/planted-bench.ts',
    source: "import * as bench from '../bench/planted.js';\nexport default bench;\n",
    rule: 'no-benchmarks-in-the-library',
  },
  {
    file: 'lib/planted-dev.ts',
    source: "import { encode } from 'cborg';\nexport default encode;\n",
    rule: 'no-development-dependencies-in-the-product',
  },
  {
    file: 'lib/planted-nowhere.ts',
    source: "import * as nothing from './nowhere.js';\nexport default nothing;\n",
    rule: 'no-unresolvable',
  },
];

/** A copy of what dependency-cruiser looks at; inside the checkout, so that packages resolve as they do there. */
function copySources(folder: string): void {
  for (const name of ['lib', 'bench', 'package.json', 'tsconfig.json', '.dependency-cruiser.cjs']) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
}

function plant(folder: string, { file, source }: Plant): void {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  writeFileSync(join(folder, file), source);
}

/** Runs the rules on a copy, as `npm run layers` does: the exit code, and each violation as `file: rule`. */
function cruise(folder: string): { status: number | null; found: Set<string> } {
  const bin = join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = [bin, '--config', '.dependency-cruiser.cjs', 'lib', 'bench'];
  const run = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  const violations = run.stdout.matchAll(/^\s*error (?<rule>[\w-]+): (?<file>\S+)/gm);
  return { status: run.status, found: new Set(Array.from(violations, (v) => `${v.groups?.file}: ${v.groups?.rule}`)) };
}

t.test('the sources keep the layer rules', async (t) => {
  const folder = t.testdir();
  copySources(folder);
  const { status, found } = cruise(folder);
  t.strictSame([...found], []);
  t.equal(status, 0, 'the run succeeds');
});

t.test('a planted violation is refused by name', async (t) => {
  const folder = t.testdir();
  copySources(folder);
  const plants = [...fileSystem, ...native, ...others];
  for (const entry of plants) plant(folder, entry);
  const { status, found } = cruise(folder);
  t.not(status, 0, 'the run fails');
  for (const { file, rule } of plants) {
    if (rule !== '') t.ok(found.has(`${file}: ${rule}`), `${file} breaks ${rule}`);
  }
});

/** Where a data plane may be named: `doctor` says which it is. What picks one goes by addresses. */
const NAMES_PLANES = new Set(['lib/cli/commands/doctor.ts']);
/** A name of a data plane or of a backend as text, or a question about one. */
const ASKS = /(['"`])(?:s3|inproc|remote|tiered|local)\1|[.](?:dataPlane|backend)\s*[!=]==|\bcase\s+['"`]s3\b/;

/** Lines that ask, without those that are comments. */
function asking(source: string): string[] {
  return source.split('\n').filter((line) => !/^\s*(?:[*]|\/[*/])/.test(line) && ASKS.test(line));
}

t.test('nothing above the contract asks which data plane it has', async (t) => {
  const files = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
    .map((file) => `lib/${file}`)
    .filter((file) => file.endsWith('.ts') && !/^lib[/](?:dataplane|native)[/]/.test(file) && !NAMES_PLANES.has(file));
  t.ok(files.length > 200, `${files.length} files`);
  for (const file of files) t.strictSame(asking(readFileSync(join(root, file), 'utf8')), [], file);
  for (const planted of ['if (facts.dataPlane === kind) {', "  const isRemote = name !== 'remote';", '    case "s3":'])
    t.strictSame(asking(planted), [planted], 'and would be seen');
  for (const file of NAMES_PLANES) t.not(asking(readFileSync(join(root, file), 'utf8')).length, 0, `${file} does`);
});
