/** The remote data plane: the conformance kit through a daemon, once with files as bytes and once as paths, and what is its own. */

import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { joinPaths } from '../../lib/dataplane/file-list.js';
import { fileSource } from '../../lib/dataplane/file-source.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import { conformance } from './conformance.js';
import { folder, openDaemon } from './remote-support.js';

const ABC = '6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85';

async function openSubject(allowRoots: string[]) {
  const { client, restart, close, damage } = await openDaemon({ allowRoots });
  const reopen = async () => {
    await restart();
    return client;
  };
  return { plane: client, sync: () => client.sync(), sessions: { reopen }, close, damage };
}

await conformance(t, { name: 'remote/local, files as bytes', open: () => openSubject([]) });
await conformance(t, { name: 'remote/local, files as paths', open: () => openSubject([tmpdir()]) });

t.test('many small files are few requests, whoever reads them', async (t) => {
  const path = await folder(t);
  const contents = Array.from({ length: 3000 }, (_, n) => `file ${n}`);
  for (const [n, content] of contents.entries()) writeFileSync(join(path, `${n}`), content);
  for (const allowRoots of [[], [path]]) {
    const { client, close } = await openDaemon({ allowRoots });
    t.teardown(close);
    let told = 0;
    const files = joinPaths(contents.map((_, n) => join(path, `${n}`)));
    const table = await client.ingestMany({ ...files, onRead: (size) => (told += size) });
    t.equal(table.errors.size, 0);
    t.ok(
      contents.every((content, n) => table.sizes[n] === content.length),
      'each is where it belongs',
    );
    t.equal(told, contents.join('').length, 'progress adds up');
    const requests = client.families?.().find(({ name }) => name.endsWith('_requests_total'));
    const sent = requests?.samples.filter(({ labels }) => labels?.operation?.startsWith('ingest')) ?? [];
    t.ok(sent.reduce((sum, { value }) => sum + value, 0) <= 4, 'a thousand at a time');
  }
});

t.test('a daemon that several stores use lists nothing, and deletes nothing', async (t) => {
  const { client, close } = await openDaemon({ shared: true });
  t.teardown(() => close());
  const { blake3 } = await client.ingestStream(fileSource(import.meta.filename), {});
  await t.rejects(Promise.resolve(client.listObjects?.(0)), { code: 'AS_ERR_UNAVAILABLE', message: /several stores/ });
  t.same(await client.deleteMany?.([formatBlake3(blake3)]), [{ deleted: false, freedSize: 0 }]);
  t.equal((await client.verifyObject(formatBlake3(blake3))).status, 'intact');
});

t.test('a refusal comes before the bytes have gone', async (t) => {
  const { data, close, client } = await openDaemon();
  await client.ingestStream(
    (async function* () {
      yield Buffer.from('abc');
    })(),
    {},
  );
  await close(false);
  const { client: reader, close: end } = await openDaemon({ inproc: { path: data, readOnly: true }, readOnly: true });
  t.teardown(end);
  let asked = 0;
  async function* source() {
    for (; asked < 200; asked++) yield Buffer.alloc(1 << 20);
  }
  await t.rejects(reader.ingestStream(source(), {}), { code: 'AS_ERR_READ_ONLY' });
  t.ok(asked < 200, `${asked} of 200 MiB were asked for`);
  t.match(await reader.backendHealth(), { ready: true, readOnly: true });
  await t.rejects(reader.deleteObject(`blake3:${'0'.repeat(64)}`), { code: 'AS_ERR_READ_ONLY' });
  t.equal((await reader.verifyObject(`blake3:${ABC}`)).status, 'intact');
});
