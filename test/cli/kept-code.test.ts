/** V8's code of the command line is kept by the first runs of a command, and taken by all others. */

import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { command, root } from './run.js';

const folder = mkdtempSync(join(tmpdir(), 'artifactstore-kept-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** A package of its own: others run the executable of the checkout at the same time. */
const place = join(folder, 'dist/lib/cli');
mkdirSync(place, { recursive: true });
for (const name of ['main.cjs', 'commands.cjs']) cpSync(join(root, 'dist/lib/cli', name), join(place, name));
for (const name of ['package.json', 'prebuilds']) cpSync(join(root, name), join(folder, name), { recursive: true });
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));

const source = join(folder, 'one.bin');
writeFileSync(source, 'something');

const kept = () => readdirSync(place).filter((name) => name.endsWith('.cache'));

async function put(): Promise<number | null> {
  const words = ['--store', join(folder, 'store'), 'put', source];
  return (await command(process.execPath, [join(place, 'main.cjs'), ...words])).code;
}

t.test('each of the first runs keeps what it and those before it have run', async (t) => {
  for (const runs of [1, 2, 3]) {
    t.equal(await put(), 0);
    t.equal(kept().length, 1, 'one copy');
    t.match(kept()[0], new RegExp(`-put-${runs}\\.cache$`));
  }
});

t.test('later ones take it and leave it as it is', async (t) => {
  const file = join(place, kept()[0] as string);
  const before = statSync(file);
  t.equal(await put(), 0);
  t.strictSame(kept(), [file.slice(place.length + 1)]);
  t.equal(statSync(file).ino, before.ino, 'a run that V8 refused it for would have made it anew');
});

t.test('one that V8 refuses is made anew', async (t) => {
  writeFileSync(join(place, kept()[0] as string), 'not what V8 wrote');
  t.equal(await put(), 0);
  t.equal(kept().length, 1);
  t.match(kept()[0], /-put-1\.cache$/);
});
