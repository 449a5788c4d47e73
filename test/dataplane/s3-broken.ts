/** A data plane behind a proxy that breaks what it can, whatever the server: called by the tests against Swift and against s3rver. */

import { randomBytes } from 'node:crypto';
import type { Test } from 'tap';
import type { Bucket } from '../../lib/dataplane/backend/s3/bucket.js';
import { collect } from '../../lib/dataplane/backend/s3/download.js';
import type { Keys } from '../../lib/dataplane/backend/s3/keys.js';
import type { ContentAddress, IngestResult } from '../../lib/dataplane/spi.js';
import { formatBlake3 } from '../../lib/digest-name.js';
import { isStoreError } from '../../lib/errors.js';
import { type Fault, openFaultProxy } from '../support/s3-faults.js';
import type { Server } from '../support/swift-bucket.js';
import { openSubject, stream } from './s3-support.js';

/** Numbers that look random and are the same for the same seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const FAULTS: readonly ((random: (below: number) => number) => Fault)[] = [
  () => ({ kind: 'status', status: 500, code: 'InternalError' }),
  () => ({ kind: 'status', status: 503, code: 'SlowDown' }),
  () => ({ kind: 'cut-before' }),
  () => ({ kind: 'cut-within' }),
  () => ({ kind: 'cut-after' }),
  (random) => ({ kind: 'cut-answer', after: random(400_000) }),
  (random) => ({ kind: 'truncate', after: random(400_000) }),
  (random) => ({ kind: 'delay', ms: random(50) }),
];

/** Every object in the bucket under a prefix is whole, and has its outboard if it needs one. */
async function checkBucket(
  t: Test,
  { bucket, keys }: { bucket: Bucket; keys: Keys },
  contents: Map<ContentAddress, Uint8Array>,
) {
  const listed = await bucket.list(keys.objects);
  for (const key of listed.filter((one) => !one.endsWith('.obao4'))) {
    const address = `blake3:${key.slice(-64)}` as ContentAddress;
    const bytes = contents.get(address);
    const stored = await bucket.get(key);
    const got = stored && (await collect(stored.body, stored.size));
    t.ok(bytes && got && Buffer.compare(bytes, got) === 0, `${key} is whole`);
    if ((bytes?.byteLength ?? 0) > 16_384) t.ok(listed.includes(`${key}.obao4`), 'and its outboard is beside it');
  }
  for (const [address] of contents) t.ok(listed.includes(keys.object(address)), `${address} is there`);
}

/** What the log says where such a thing was done. */
const SENTENCES: Partial<Record<Fault['kind'], RegExp>> = {
  'cut-before': /is sent again because the connection broke: attempt \d of \d/,
  'cut-within': /is sent again because the connection broke: attempt \d of \d/,
  'cut-after': /is sent again because the connection broke: attempt \d of \d/,
  status: /is sent again because it was answered (500|503)\b.*: attempt \d of \d/,
};

/**
 * Stores and reads objects of many sizes while one request in four meets something, and looks that nothing is lost, nothing is half, and the log says what happened.
 *
 * @param server whose keys are not more than one page of a listing
 */
export async function breakWhatCanBeBroken(t: Test, server: Server): Promise<void> {
  const seed = Date.now() % 1_000_000;
  t.comment(`seed ${seed}`);
  const random = randomFrom(seed);
  const proxy = await openFaultProxy(t, server.endpoint);
  const notices: string[] = [];
  const subject = await openSubject(
    { ...server, endpoint: proxy.endpoint },
    { onNotice: (sentence) => notices.push(sentence), partSize: 5 * 1024 * 1024 },
  );
  t.teardown(() => subject.close());
  const { plane } = subject;
  // One request in four meets something, never so many in a row that all attempts of one are used up.
  let inRow = 0;
  proxy.rule = () => {
    const isHit = inRow < 2 && random(4) === 0;
    inRow = isHit ? inRow + 1 : 0;
    return isHit ? FAULTS[random(FAULTS.length)]?.(random) : undefined;
  };
  const contents = new Map<ContentAddress, Uint8Array>();
  for (const size of [0, 1, 5_000, 16_385, 200_000, 262_145, 1_000_000, 4_000_000, 12_000_000]) {
    for (let n = 0; n < 2; n++) {
      const bytes = randomBytes(size);
      let result: IngestResult | undefined;
      try {
        result = await plane.ingestStream(stream(bytes), { size });
      } catch (error) {
        t.ok(isStoreError(error, 'AS_ERR_UNAVAILABLE'), `${size} bytes: ${(error as Error).message}`);
      }
      result ??= await plane.ingestStream(stream(bytes), { size });
      contents.set(formatBlake3(result.blake3), bytes);
    }
  }
  for (const [address, bytes] of contents) {
    const got: Uint8Array[] = [];
    for await (const chunk of plane.serveObject(address)) got.push(chunk);
    t.ok(Buffer.compare(Buffer.concat(got), bytes) === 0, `${bytes.byteLength} bytes come back`);
    t.match(await plane.verifyObject(address), { status: 'intact', repaired: false });
  }
  proxy.rule = () => undefined;
  await checkBucket(t, subject, contents);
  const kinds = new Set(proxy.done.map(({ fault }) => fault.kind));
  t.ok(kinds.size >= 5, `it did ${[...kinds].join(', ')}: ${proxy.done.length} times in ${proxy.count} requests`);
  for (const kind of kinds) {
    const said = SENTENCES[kind];
    if (said) t.match(notices.join('\n'), said, `the log says of ${kind} what happened`);
  }
  t.ok(
    notices.every((sentence) => /^[A-Z].*\.$/s.test(sentence) && !sentence.includes('testing')),
    'none of which has a secret',
  );
  t.match((await plane.backendHealth()).facts, { lastTrouble: notices.at(-1) });
  const metrics = plane.families?.().find(({ name }) => name === 'artifactstore_s3_retries_total');
  t.ok((metrics?.samples[0]?.value ?? 0) > 0, 'and metrics count it');
}
