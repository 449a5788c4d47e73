/** The configuration: the published schema, what a file may say, what is said of a wrong one, and which of several sources counts. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import t, { type Test } from 'tap';
import { nearest } from '../../lib/config/nearest.js';
import { readConfiguration } from '../../lib/config/read.js';
import { configurationSchema } from '../../lib/config/schema.js';
import { type Configuration, SECTIONS } from '../../lib/config/sections.js';
import type { Section } from '../../lib/config/setting.js';
import { isStoreError } from '../../lib/errors.js';
import { CONFIG_SIZE_MAX } from '../../lib/limits.js';
import { parseListenAddress } from '../../lib/listen/address.js';
import { cli, jsonLines, root } from '../cli/run.js';

const folder = mkdtempSync(join(tmpdir(), 'artifactstore-config-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function fileWith(content: unknown): string {
  const file = join(folder, `${files++}.json`);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

async function problems(content: unknown): Promise<unknown> {
  try {
    await readConfiguration(fileWith(content));
  } catch (error) {
    if (isStoreError(error, 'AS_ERR_CONFIG')) return error.details.problems;
    throw error;
  }
  return [];
}

t.test('the published schema is the one that validates', async (t) => {
  const published = JSON.parse(readFileSync(join(root, 'docs/config.schema.json'), 'utf8'));
  t.strictSame(published, configurationSchema(), 'artifactstore config schema > docs/config.schema.json makes it anew');
  t.equal(new Ajv2020().validateSchema(published), true, 'it is itself valid by JSON Schema 2020-12');
  const { exports, files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  t.equal(exports['./config.schema.json'], './docs/config.schema.json');
  t.ok(files.includes('docs/config.schema.json'), 'and in the package');
});

t.test('every default fits its own schema', async (t) => {
  for (const [name, section] of Object.entries<Section>(SECTIONS)) {
    for (const [key, { schema }] of Object.entries(section)) {
      if (schema.default === undefined) continue;
      t.equal(new Ajv2020().validate(schema, schema.default), true, `${name}.${key}`);
    }
  }
});

t.test('a file that says everything', async (t) => {
  const everything: Required<{ [K in keyof Configuration]: Required<Configuration[K]> }> = {
    store: {
      path: 'data/store',
      dataplane: 'unix:/run/artifactstore/data',
      cold: 'data/cold',
      coldReads: 'restore',
      s3Endpoint: 'http://127.0.0.1:9000',
      s3Region: 'eu-west-1',
      s3Addressing: 'path',
      spool: 'data/spool',
      readOnly: true,
      threads: 3,
    },
    service: {
      listen: ['127.0.0.1:0', '[::1]:8420', 'unix:/run/artifactstore/socket', 'systemd'],
      host: '::1',
      port: 65_535,
      hostNames: ['artifacts.example.org'],
      idleTimeoutMs: 1,
      drainDelayMs: 0,
      closeGraceMs: 1,
      accessLog: 'stderr',
    },
    auth: { mode: 'required', insecureNoAuthentication: true, issuers: 'issuers.json' },
    dataplane: {
      listen: ['unix:/run/artifactstore/data', 'systemd'],
      mode: '0660',
      allowUid: ['1000'],
      allowRoot: ['/srv/build'],
      shared: true,
      metrics: '127.0.0.1:9464',
      closeGraceMs: 1,
    },
    tls: { cert: 'cert.pem', key: '/etc/key.pem', clientCa: 'ca.pem', clientScopes: ['read', 'write'] },
    retention: { everyMinutes: 60, window: '22:00-05:30', throttle: 1 },
  };
  for (const [name, section] of Object.entries<Section>(SECTIONS)) {
    const given = Object.keys(everything[name as keyof Configuration]);
    t.strictSame(given.sort(), Object.keys(section).sort(), `the type of ${name} has the settings of the schema`);
  }
  const read = await readConfiguration(fileWith({ $schema: './config.schema.json', ...everything }));
  const inFolder = {
    path: join(folder, 'data/store'),
    cold: join(folder, 'data/cold'),
    spool: join(folder, 'data/spool'),
  };
  const store = { ...everything.store, ...inFolder };
  const auth = { ...everything.auth, issuers: join(folder, 'issuers.json') };
  const tls = { ...everything.tls, cert: join(folder, 'cert.pem'), clientCa: join(folder, 'ca.pem') };
  t.strictSame(read, { ...everything, store, auth, tls }, 'a relative path counts from the folder of the file');
  t.strictSame(await readConfiguration(fileWith({})), {});
});

t.test('what is wrong is said, all of it', async (t) => {
  const cases: [content: unknown, ...problems: (string | RegExp)[]][] = [
    [{ stor: {} }, '"stor" has no meaning in the configuration. Did you mean "store"?'],
    [{ service: { prot: 1 } }, '"prot" has no meaning in service. Did you mean "port"?'],
    [
      { store: { colour: 1 } },
      '"colour" has no meaning in store. It knows path, dataplane, s3Endpoint, s3Region, s3Addressing, spool, cold, coldReads, readOnly, threads.',
    ],
    ['{"service":{"__proto__":{"port":1}}}', /^"__proto__" has no meaning in service\. It knows /] as never,
    [{ store: { threads: '2' } }, 'store.threads is "2"; it has to be a whole number.'],
    [{ store: { threads: 0 } }, 'store.threads is 0; give 1 to 8.'],
    [{ service: { port: 65_536 } }, 'service.port is 65536; give 0 to 65535.'],
    [{ service: { accessLog: 'file' } }, 'service.accessLog is "file"; give one of stderr, none.'],
    [{ service: { listen: ['a:1', 'x'] } }, 'service.listen[1] is "x"; give host:port, unix:/path, or systemd.'],
    [[], 'The configuration is []; it has to be an object.'],
    [{ store: null }, 'store is null; it has to be an object.'],
    ['{"a"\n 1}', /^It is not JSON: .*\(line 2, column 2\)\.$/] as never,
    ['', /^It is not JSON: /] as never,
    [
      { service: { port: -1, idleTimeout: 5 } },
      '"idleTimeout" has no meaning in service. Did you mean "idleTimeoutMs"?',
      'service.port is -1; give 0 to 65535.',
    ],
    [' '.repeat(CONFIG_SIZE_MAX + 1), `It has ${CONFIG_SIZE_MAX + 1} bytes, more than ${CONFIG_SIZE_MAX}.`],
  ];
  for (const [content, ...expected] of cases) t.match(await problems(content), expected, JSON.stringify(expected[0]));
  t.match(await readConfiguration(join(folder, 'none')).catch((error) => error.message), /none: It cannot be read: /);
});

t.test('near names', async (t) => {
  const known = ['host', 'hostNames', 'port', 'listen'];
  t.equal(nearest('hsot', known), 'host', 'neighbours swapped');
  t.equal(nearest('HOST', known), 'host', 'another case');
  t.equal(nearest('hostName', known), 'hostNames');
  t.equal(nearest('listeners', known), undefined, 'too far from all');
  t.equal(nearest('', known), undefined);
});

t.test('addresses to listen on', async (t) => {
  t.strictSame(parseListenAddress('127.0.0.1:0'), { kind: 'tcp', host: '127.0.0.1', port: 0 });
  t.strictSame(parseListenAddress('[::1]:65535'), { kind: 'tcp', host: '::1', port: 65_535 });
  t.strictSame(parseListenAddress('unix:/run/a b,c'), { kind: 'unix', path: '/run/a b,c' });
  t.strictSame(parseListenAddress('systemd'), { kind: 'systemd' });
  for (const wrong of ['', 'localhost', ':80', 'localhost:', 'localhost:65536', '::1:80', 'unix:relative', 'Systemd']) {
    t.throws(() => parseListenAddress(wrong), { code: 'AS_ERR_INVALID_ARGUMENT' }, wrong);
  }
});

/** What `config show` says of one setting. */
async function shown(t: Test, setting: string, args: string[], env: Record<string, string> = {}) {
  const { code, stdout } = await cli(['--json', ...args], { env });
  t.equal(code, 0);
  return jsonLines(stdout).find((line) => line.setting === setting);
}

t.test('an option outranks a variable, that the file, and that the default', async (t) => {
  const file = fileWith({ service: { port: 3, hostNames: ['file.example'] } });
  const show = (args: string[], env?: Record<string, string>) => shown(t, 'service.port', args, env);
  const variable = { ARTIFACTSTORE_CONFIG: file, ARTIFACTSTORE_PORT: '2' };
  t.match(await show(['config', 'show', '--port', '1'], variable), { value: 1, source: 'option', origin: '--port' });
  t.match(await show(['config', 'show'], variable), { value: 2, source: 'environment', origin: 'ARTIFACTSTORE_PORT' });
  t.match(await show(['--config', file, 'config', 'show']), { value: 3, source: 'file', origin: file });
  t.match(await show(['config', 'show']), { value: 8420, source: 'default', origin: 'default' });
  const names = await shown(t, 'service.hostNames', ['config', 'show'], {
    ARTIFACTSTORE_CONFIG: file,
    ARTIFACTSTORE_HOST_NAME: 'a.example,b.example',
  });
  t.match(names, { value: ['a.example', 'b.example'] }, 'a list is replaced, not joined');
});

t.test('the file counts for every command', async (t) => {
  const store = join(folder, 'elsewhere');
  const env = { ARTIFACTSTORE_CONFIG: fileWith({ store: { path: 'elsewhere' } }) };
  const put = await cli(['put', '-'], { env, input: 'abc' });
  t.equal(put.code, 0, put.stderr);
  t.match((await cli(['--store', store, 'ls'])).stdout.toString(), /6437b3ac/);
  const refused = await cli(['ls'], { env: { ARTIFACTSTORE_CONFIG: fileWith({ stoer: {} }) } });
  t.equal(refused.code, 2);
  t.match(refused.stderr, /^artifactstore: .*Did you mean "store"\? \[AS_ERR_CONFIG\]\n$/);
});

t.test('config check', async (t) => {
  const good = fileWith({ service: { port: 1 } });
  t.match(await cli(['config', 'check', good]), { code: 0, stdout: Buffer.from(`${good}: valid\n`) });
  t.match(await cli(['config', 'check'], { env: { ARTIFACTSTORE_CONFIG: good } }), { code: 0 });
  const bad = fileWith({ service: { port: -1, hots: 'x' } });
  const checked = await cli(['config', 'check', bad], { env: { ARTIFACTSTORE_CONFIG: bad } });
  t.equal(checked.code, 2);
  t.strictSame(checked.stderr.split('\n').length, 3, 'a line for each problem');
  t.match(checked.stderr, /Did you mean "host"/);
  t.match(await cli(['config', 'check']), { code: 2, stderr: /No file to check/ });
  t.strictSame(
    JSON.parse((await cli(['config', 'schema'])).stdout.toString()),
    configurationSchema(),
    'config schema prints it',
  );
});
