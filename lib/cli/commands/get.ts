/** `artifactstore get`: the bytes of an object, or of a package of one file, or a range of them, verified, to standard output or a file. */

import { Command, InvalidArgumentError } from 'commander';
import type { ByteRange } from '../../dataplane/spi.js';
import { ArtifactStoreError } from '../../errors.js';
import type { ObjectRecord } from '../../registry/registry.js';
import { formatSize } from '../format.js';
import { option } from '../options.js';
import type { Tally } from '../progress.js';
import { runCommand, type Session } from '../session.js';
import { writeWhole } from '../whole-file.js';

/** Positions as HTTP writes them (RFC 9110, section 14.1.2): `first-last`, both included, `first-`, or `-length` from the end. */
type Positions = { first: number; last?: number } | { suffix: number };

interface GetFlags {
  output?: string;
  range?: Positions;
}

export function getCommand(): Command {
  return new Command('get')
    .description('Write the verified bytes of an object to standard output or a file.')
    .argument(
      '<object>',
      'either digest, an unambiguous prefix of one, or a package of one file: namespace/name[:ref|@version]',
    )
    .addOption(option('-o, --output <file>', 'write here; the file appears whole or not at all'))
    .addOption(
      option('--range <first-last>', 'only these bytes, as in HTTP: 0-99, 100-, or -500 for the last 500').argParser(
        positions,
      ),
    )
    .action((name: string, flags: GetFlags, command: Command) =>
      runCommand(command, (session) => get(session, name, flags)),
    );
}

async function get(session: Session, name: string, { output: target, range: asked }: GetFlags): Promise<void> {
  const { output, signal } = session;
  const store = await session.openStore();
  const whole = name.includes('/') ? (await store.packages.openFile(name)).record : undefined;
  const digest = whole?.blake3 ?? name;
  const range = asked && inObject(asked, whole ?? (await store.stat(digest)));
  const object = await store.get(digest, { signal, ...(range && { range }) });
  const tally: Tally & { size: number } = { label: 'get', size: 0, sizeTotal: object.size };
  output.startProgress(tally);
  const count = (size: number) => {
    tally.size += size;
  };
  if (target === undefined || target === '-') {
    for await (const chunk of object) {
      await output.write(chunk);
      count(chunk.byteLength);
    }
    return;
  }
  await writeWhole(target, (path) => object.writeTo(path, count));
  output.stopProgress();
  const { blake3, sha256 } = object.record;
  if (output.json) await output.write(`${JSON.stringify({ output: target, blake3, sha256, size: object.size })}\n`);
  else if (output.showsProgress) output.note(`${formatSize(object.size)} written to ${target}`, {});
}

function positions(text: string): Positions {
  const [, first = '', last = ''] = /^(\d*)-(\d*)$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  const sensible = (first !== '' || last !== '') && Number.isSafeInteger(from) && Number.isSafeInteger(to);
  if (!sensible || (first !== '' && last !== '' && to < from)) {
    throw new InvalidArgumentError('Give first-last, both included, first-, or -length for the end.');
  }
  if (first === '') return { suffix: to };
  return last === '' ? { first: from } : { first: from, last: to };
}

/** The range in an object; what lies behind its end is left out, as in HTTP. */
function inObject(asked: Positions, { blake3, size }: ObjectRecord): ByteRange {
  const start = 'suffix' in asked ? Math.max(size - asked.suffix, 0) : asked.first;
  const end = 'suffix' in asked || asked.last === undefined ? size : Math.min(asked.last + 1, size);
  if (start < size && start < end) return { start, end };
  throw new ArtifactStoreError(
    'AS_ERR_RANGE',
    `The range has no byte of ${blake3}, which has ${size}. Give a range that begins before byte ${size}.`,
    { start, size },
  );
}
