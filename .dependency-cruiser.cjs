/**
 * The layers of docs/architecture.md as rules a machine checks: `npm run layers`. Type-only imports count like any other, because a
 * type from below ties a layer to it just as well. test/package/layers.test.ts plants violations and sees them refused.
 *
 *   doors            lib/api  lib/client  lib/cli
 *   composition      lib/store.ts  lib/store/
 *   control plane    lib/registry  lib/events  lib/retention  lib/audit  lib/access
 *   contract         lib/dataplane/spi.ts  lib/dataplane/encoding.ts
 *   data plane       lib/dataplane/{inproc,remote,backend}
 *   native           lib/native
 */

const DOORS = '^lib/(api|client|cli)/';
const CONTROL_PLANE = '^lib/(registry|events|retention|audit|access)/';
const CONTRACT = '^lib/dataplane/(spi|encoding)[.]ts$';
const FILE_SYSTEM = '^(node:)?fs(/promises)?$';
const NATIVE = ['^lib/native/', '(^|node_modules/)(node-gyp-build|node-addon-api|bindings)(/|$)', '[.]node$'];

/** A rule that fails the run. Its comment is the reason, and is printed with the violation. */
const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

module.exports = {
  forbidden: [
    forbid(
      'no-file-system-above-the-contract',
      'The control plane and the HTTP doors decide and never touch a byte: what reads or writes a file belongs below the contract.',
      { path: [CONTROL_PLANE, '^lib/api/'] },
      { path: FILE_SYSTEM },
    ),
    forbid(
      'no-native-above-the-contract',
      'Whoever decides must work with any data plane, also one in another process, so it cannot know the addon.',
      { path: [CONTROL_PLANE, DOORS] },
      { path: NATIVE },
    ),
    forbid(
      'only-the-contract',
      'The control plane and the doors see a data plane through its five operations; a backend or an implementation can then be replaced.',
      { path: [CONTROL_PLANE, DOORS] },
      { path: '^lib/dataplane/', pathNot: CONTRACT },
    ),
    forbid(
      'control-plane-never-reaches-bytes',
      'A detour through a helper ties the control plane to the data plane as firmly as an import of its own.',
      { path: CONTROL_PLANE },
      { path: ['^lib/dataplane/(inproc|remote|tiered|backend)/', ...NATIVE], reachable: true },
    ),
    forbid(
      'one-composition-root',
      'One place chooses the data plane. A second one would let two parts of a process disagree about where the bytes are.',
      { path: '^(lib|bench)/', pathNot: ['^lib/dataplane/', '^lib/store([.]ts$|/)'] },
      { path: '^lib/dataplane/(inproc|remote|tiered|backend)/' },
    ),
    forbid(
      'native-only-for-bytes',
      'The addon is called by the data plane, the digest-only API and the description of the machine; anyone else would go round the checks that stand there.',
      {
        path: '^(lib|bench)/',
        pathNot: [
          '^lib/native/',
          '^lib/dataplane/(closable[.]ts$|(inproc|remote|backend)/)',
          '^lib/(chunk|digest|kernels|records|tree|walk)[.]ts$',
        ],
      },
      { path: '^lib/native/' },
    ),
    forbid(
      'one-loader',
      'How a binary is found and what to say when there is none is decided once, in lib/native/load.ts.',
      { path: '^(lib|bench)/', pathNot: '^lib/native/load[.]ts$' },
      { path: NATIVE.slice(1) },
    ),
    forbid(
      'one-database-driver-door',
      'sqlite3 is loaded lazily, with a message that says how to build it; a second import would bring it in at start-up.',
      { path: '^(lib|bench)/', pathNot: '^lib/sqlite/' },
      { path: '(^|node_modules/)sqlite3(/|$)' },
    ),
    forbid(
      'one-http-client-door',
      'Retries, errors and who is trusted are decided once; a second use of undici would decide otherwise, and load it where nobody asks a service.',
      { path: '^(lib|bench)/', pathNot: ['^lib/client/service[.]ts$', '^lib/dataplane/(remote|backend)/'] },
      { path: '(^|node_modules/)undici(/|$)' },
    ),
    forbid(
      'one-cbor-door',
      'cbor-x alone is not canonical: only lib/cbor knows which of its output may be stored or compared.',
      { path: '^(lib|bench)/', pathNot: '^lib/cbor/' },
      { path: '(^|node_modules/)(cbor-x|cbor-extract)(/|$)' },
    ),
    forbid(
      'doors-stand-apart',
      'A door can be removed or replaced alone. What two doors share belongs to the store or beside the doors.',
      { path: '^lib/(api/[^/]+|client|cli)/', pathNot: '^lib/cli/(commands/serve|remote)[.]ts$' },
      { path: '^lib/(api/[^/]+|client|cli)/', pathNot: '^lib/$1/' },
    ),
    forbid(
      'serve-starts-one-door',
      'The one exception: `artifactstore serve` is the command that starts the HTTP door, so it may import that door and no other.',
      { path: '^lib/cli/commands/serve[.]ts$' },
      { path: '^lib/(api/[^/]+|client)/', pathNot: '^lib/api/http/' },
    ),
    forbid(
      'a-url-opens-the-client',
      'The other exception: where `--store` is a URL, the session opens the client, in one module, so that no command knows which it got.',
      { path: '^lib/cli/remote[.]ts$' },
      { path: '^lib/(api/[^/]+|client)/', pathNot: '^lib/client/index[.]ts$' },
    ),
    forbid(
      'nothing-imports-a-door',
      'Doors stand on top. Only the public API (lib/index.ts) names them; whatever else needs a door has logic in the wrong place.',
      { path: '^(lib|bench)/', pathNot: [DOORS, '^lib/index[.]ts$'] },
      { path: DOORS },
    ),
    forbid(
      'nothing-below-imports-the-store',
      'The facade joins the layers; a layer that imports it cannot be used or tested without all the others.',
      { path: '^lib/', pathNot: [DOORS, '^lib/store([.]ts$|/)', '^lib/index[.]ts$'] },
      { path: '^lib/(store([.]ts$|/)|index[.]ts$)' },
    ),
    forbid(
      'data-plane-decides-nothing',
      'A data plane stores what it is given. It runs in a daemon without log, registry or rules, so it cannot import them.',
      { path: '^lib/(dataplane|native)/' },
      { path: [CONTROL_PLANE, '^lib/sqlite/'] },
    ),
    forbid(
      'no-cycles',
      'Modules in a cycle can only be understood, tested and loaded together.',
      {},
      { circular: true },
    ),
    forbid(
      'no-tests-in-the-product',
      'Tests are not in the package, so an import of one fails at the user.',
      { path: '^(lib|bench)/' },
      { path: '^(dist/)?test/' },
    ),
    forbid(
      'no-benchmarks-in-the-library',
      'Benchmarks measure the library from outside. Only the command line starts them.',
      { path: '^lib/', pathNot: '^lib/cli/' },
      { path: '^bench/' },
    ),
    forbid(
      'benchmarks-use-the-public-api',
      'A figure from the inside of the library is not one a user can have.',
      { path: '^bench/', pathNot: '^bench/events([.]ts$|/)' },
      { path: '^lib/', pathNot: ['^lib/index[.]ts$', CONTRACT] },
    ),
    forbid(
      'the-log-is-measured-alone',
      'What the event log costs shows only without the bytes: its benchmark opens log and registry as the store does, makes up what a data plane would give, asks the same connection for the least that it can do, and nothing else.',
      { path: '^bench/events([.]ts$|/)' },
      {
        path: '^lib/',
        pathNot: [
          '^lib/(index|limits|records)[.]ts$',
          CONTRACT,
          '^lib/dataplane/ingest-table[.]ts$',
          '^lib/sqlite/connection[.]ts$',
          '^lib/(events|registry)/',
        ],
      },
    ),
    forbid(
      'no-development-dependencies-in-the-product',
      'Development dependencies are not installed with the package, so an import of one fails at the user.',
      { path: '^(lib|bench)/' },
      { dependencyTypes: ['npm-dev'] },
    ),
    forbid(
      'no-unresolvable',
      'An import that leads nowhere would slip past every other rule.',
      {},
      { couldNotResolve: true },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['^dist/', '^lib/cli/bundle[.]mjs$'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
