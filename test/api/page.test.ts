/** The pages: read without scripts, live with them, and safe whatever is stored under whatever name. In Chromium where it is installed. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Html, html } from '../../lib/api/http/page/html.js';
import { chromiumPath, openChromium } from '../support/chromium.js';
import { damage, type Service, serve } from './support.js';

const EVIL = '<img src=x onerror="document.title=1">';

/** A service with a package, a deleted object, and names that would be markup. */
async function furnished(t: Test): Promise<Service & { hello: string }> {
  const service = await serve(t);
  const folder = await mkdtemp(join(tmpdir(), 'artifactstore-page-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'docs/deep'), { recursive: true });
  await writeFile(join(folder, 'README'), 'read me\n');
  await writeFile(join(folder, 'docs/deep/a&b.txt'), 'deep\n');
  await writeFile(join(folder, EVIL.replaceAll('/', '')), 'evil\n');
  await service.store.packages.push(folder, 'acme/tools@1.0.0', { actor: EVIL });
  const { blake3 } = await service.store.put(Buffer.from('to be deleted'));
  await service.store.delete(blake3, { reason: EVIL });
  const hello = (await service.store.put(Buffer.from('hello'))).blake3;
  return { ...service, hello };
}

t.test('templates', async (t) => {
  t.equal(
    html`<b title="${'"x"'}">${'<&>'}${1}${undefined}${false}</b>`.text,
    '<b title="&quot;x&quot;">&lt;&amp;&gt;1</b>',
  );
  t.equal(html`${[html`<i>${"'"}</i>`, 'a', new Html('<br>')]}`.text, '<i>&#39;</i>a<br>');
  t.equal(html`${'a\u202eb'}`.text, 'a\\u202eb', 'marks of direction become visible');
});

t.test('without scripts', async (t) => {
  const { call, hello } = await furnished(t);
  const pages: [string, RegExp[]][] = [
    ['/', [/acme\/tools/, /object\.tombstoned/, /<dd>\d+<\/dd>/]],
    ['/packages', [/href="\/packages\/acme\/tools\/1\.0\.0"/]],
    ['/packages/acme/tools', [/1\.0\.0/, /No ref points/]],
    ['/packages/acme/tools/1.0.0', [/docs\//, /README/, /1 inside/]],
    ['/packages/acme/tools/1.0.0/docs', [/deep\//]],
    ['/packages/acme/tools/1.0.0/docs/deep/', [/a&amp;b\.txt/]],
    ['/objects', [new RegExp(hello.slice(0, 19)), /class="state deleted"/]],
    [`/objects/${hello.slice(7, 17)}`, [new RegExp(hello), /sha256:2cf24dba/, /stored it/, /<svg/]],
    ['/events', [/package\.published/]],
  ];
  for (const [target, expected] of pages) {
    const { status, headers, bytes } = await call('GET', target);
    const text = bytes.toString();
    t.equal(status, 200, target);
    t.equal(headers['content-type'], 'text/html; charset=utf-8');
    t.match(headers['content-security-policy'], /default-src 'none'; style-src 'self'; script-src 'self'/);
    for (const pattern of expected) t.match(text, pattern, `${target} has ${pattern}`);
    t.notMatch(text, /<img src=x/, `${target}: no name becomes markup`);
    t.notMatch(text, /<script(?! src="\/page\.js" defer>)|<[^>]*(?: style=| on\w+=)/, `${target}: nothing inline`);
    t.equal((await call('HEAD', target)).status, 200);
  }
  const evil = (await call('GET', '/packages')).bytes.toString();
  t.match(evil, /&lt;img src=x onerror=&quot;/, 'it is shown as the text that it is');
});

t.test('finding, verifying, and what is not there', async (t) => {
  const { call, store, path, hello } = await furnished(t);
  const finds: [string, string][] = [
    [hello, `/objects/${hello}`],
    ['sha256:2cf24dba', `/objects/${hello}`],
    [' acme/tools ', '/packages/acme/tools'],
    ['acme/tools@1.0.0', '/packages/acme/tools/1.0.0'],
  ];
  for (const [name, location] of finds) {
    const { status, headers } = await call('GET', `/find?name=${encodeURIComponent(name)}`);
    t.strictSame([status, headers.location], [303, location], name);
  }
  const absent: [string, number][] = [
    ['/find?name=zz', 400],
    ['/find', 400],
    ['/objects/ffffffff', 404],
    ['/packages/acme/nothing', 404],
    ['/packages/acme/tools/2.0.0', 404],
    ['/packages/acme/tools/1.0.0/nothing', 404],
    ['/packages/acme/tools/1.0.0/..%2f..%2fetc', 404],
    ['/packages/ACME/tools/1.0.0', 400],
  ];
  for (const [target, status] of absent) {
    const reply = await call('GET', target);
    t.equal(reply.status, status, target);
    t.match(reply.bytes.toString(), /<h1>.*<\/h1>.*AS_ERR_/s, `${target} says what is wrong, as a page`);
  }

  const verified = await call('POST', `/objects/${hello}/verify`);
  t.equal(verified.status, 303);
  const [, anchor] = String(verified.headers.location).split('#');
  const story = (await call('GET', `/objects/${hello}`)).bytes.toString();
  t.match(story, new RegExp(`<li id="${anchor}">.*all 5 B`));
  const { blake3 } = await store.put(Buffer.alloc(50_000, 1));
  await damage(path, blake3, 20_000);
  t.equal((await call('POST', `/objects/${blake3}/verify`)).status, 303);
  t.match((await call('GET', `/objects/${blake3}`)).bytes.toString(), /class="state corrupt".*Damaged: /s);
  const foreign = { headers: { Origin: 'http://evil.example' } };
  t.equal((await call('POST', `/objects/${hello}/verify`, foreign)).status, 403, 'no other page can start it');
});

t.test('why it is still here, and why it is gone', async (t) => {
  const { call, store, hello } = await furnished(t);
  const page = async (path: string) => (await call('GET', path)).bytes.toString();
  const story = async (name: string) => {
    const [first] = (await page(`/v1/stories/${name}`)).split('\n');
    return JSON.parse(first ?? '');
  };
  t.match(await page(`/objects/${hello}`), /<h2>Why it is still here<\/h2>/);
  t.match(await page('/packages/acme/tools/1.0.0'), /<h2>Why it is still here<\/h2>/);
  t.notMatch(await page('/packages/acme/tools'), /Why it/);
  t.match(await story('acme/tools@1.0.0'), {
    subject: 'acme/tools@1.0.0',
    why: { state: 'stays', sentences: [String] },
  });
  await store.retention.hold('acme/tools@1.0.0', { case: 'C-1', reason: '<b>litigation' });
  t.match(await page('/packages/acme/tools/1.0.0'), /Why it must stay<\/h2>.*C-1: &lt;b&gt;litigation/s);
  t.match(await story('acme/tools@1.0.0'), { why: { state: 'kept' } });
  const { blake3 } = await store.put(Buffer.from('soon gone'));
  await store.delete(blake3, { reason: 'no need' });
  t.match(await page(`/objects/${blake3}`), /Why it is gone<\/h2>.*no need.*<h2>Where it is/s);
  t.match(await story(blake3), { subject: blake3, why: { state: 'gone' } });
  const last = await store.events({ subject: blake3 });
  t.strictSame(await story(`${blake3}?seq=${last.at(-1)?.seq}`), { subject: blake3 }, 'the past has no why');
});

t.test('logging in', async (t) => {
  const { call, store } = await serve(t, { auth: 'required' });
  const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  const sent = await call('GET', '/objects', { headers: browser });
  t.strictSame([sent.status, sent.headers.location], [303, '/login'], 'a person is sent to log in');
  t.equal((await call('GET', '/objects')).status, 401, 'a program is told');
  t.match((await call('GET', '/login')).bytes.toString(), /<input type="password" name="token"/);
  const { token } = await store.tokens.create({ holder: 'reader', scopes: ['read'] });
  t.equal((await call('POST', '/login', { body: 'token=as_nonsense' })).status, 422);
  t.equal((await call('POST', '/login', { body: 'x'.repeat(5000) })).status, 413);
  const foreign = { headers: { Origin: 'http://evil.example' }, body: `token=${token}` };
  t.equal((await call('POST', '/login', foreign)).status, 403, 'no other site logs anybody in');
  const done = await call('POST', '/login', { body: `token=${token}` });
  t.equal(done.status, 303);
  t.match(done.headers['set-cookie'], /^artifactstore-token=as_\S+; Path=\/; HttpOnly; SameSite=Strict$/);
  const headers = { ...browser, cookie: String(done.headers['set-cookie']).split(';')[0] as string };
  for (const target of ['/', '/objects', '/events', '/v1/events']) {
    t.equal((await call('GET', target, { headers })).status, 200, target);
  }
  const { blake3 } = await store.put(Buffer.from('x'));
  t.equal((await call('GET', `/v1/objects/${blake3}`, { headers })).status, 200);
  t.equal((await call('POST', `/objects/${blake3}/verify`, { headers })).status, 403, 'the token lacks the scope');
  t.equal((await call('POST', '/v1/objects', { headers, body: 'x' })).status, 401, 'a cookie does nothing elsewhere');
  t.match((await call('POST', '/logout', { headers })).headers['set-cookie'], /^artifactstore-token=; Max-Age=0/);
});

const chromium = chromiumPath();

t.test('in Chromium', { skip: chromium === undefined && 'Chromium is not installed' }, async (t) => {
  const service = await furnished(t);
  const { url, store, hello } = service;
  const page = await (await openChromium(t, chromium as string)).newPage();
  const complaints: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));

  await page.goto(url);
  await page.waitForSelector('.watching.on');
  const before = await page.$$eval('[data-feed] tr', (rows) => rows.length);
  const { event } = await store.put(Buffer.from('as it happens'), { actor: EVIL });
  await page.waitForFunction(`document.querySelector('[data-feed] td').textContent === '${event.seq}'`);
  const first = await page.$eval('[data-feed] tr', (row) => row.textContent ?? '');
  t.match(first, 'object.ingested');
  t.ok(first.includes(EVIL), 'the actor is text');
  t.ok(before <= 10 && (await page.$$eval('[data-feed] tr', (rows) => rows.length)) === 10, 'the table does not grow');
  t.equal(await page.title(), 'Overview · artifactstore', 'nothing that is stored ran');

  await page.type('input[type=search]', hello.slice(7, 20));
  await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
  t.equal(new URL(page.url()).pathname, `/objects/${hello}`);
  await Promise.all([page.waitForNavigation(), page.click('form[method=post] button')]);
  t.match(await page.$eval('.story li:last-child', (line) => line.textContent), /verified it: all 5 B/);
  t.match(page.url(), /#event-\d+$/);

  for (const path of ['/packages/acme/tools/1.0.0', '/objects', '/events']) {
    await page.goto(url + path);
    const overflow = Number(await page.evaluate('document.documentElement.scrollWidth - innerWidth'));
    t.ok(overflow <= 0, `${path} fits its window`);
  }
  await page.setViewport({ width: 380, height: 700 });
  await page.goto(`${url}/objects/${hello}`);
  t.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= 380, 'and that of a telephone');
  await page.goto('about:blank');
  t.strictSame(complaints, [], 'the browser had nothing to complain of');
});
