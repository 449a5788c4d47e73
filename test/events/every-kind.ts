/** One event of every kind: those whose bytes are pinned. By type exhaustive: a kind that is added without one does not compile. */

import { formatBlake3 } from '../../lib/digest-name.js';
import {
  type EventKind,
  manifestIndexed,
  newEvent,
  objectCopied,
  objectCorrupted,
  objectDeleted,
  objectEvicted,
  objectIngested,
  objectsTombstoned,
  objectTombstoned,
  objectUndeleted,
  objectVerified,
  packagePublished,
  packageWithdrawn,
  refMoved,
  refRemoved,
} from '../../lib/events/kinds.js';
import type { NewEvent } from '../../lib/events/log.js';
import type { Policy } from '../../lib/retention/policy.js';
import { coldReceipt, ingestResult } from './random-events.js';

const { blake3, sha256 } = ingestResult(1);
const ADDRESS = formatBlake3(blake3);
const UPLOAD = '01890a5d-ac96-774b-bcce-b302099a8057';
const LATER = 1_688_256_399_510;
const RANGES = [
  { start: 0, end: 16_384 },
  { start: 4_294_967_296, end: 4_294_983_680 },
];

const COLD = coldReceipt(1);

const TOOLS = { namespace: 'acme', name: 'build-tools' };
const [MANIFEST, OTHER] = [ingestResult(2).blake3, ingestResult(3).blake3];
const PUBLISHED = { manifest: MANIFEST, entries: 3, size: 12_345 };

const VERSION = 'acme/build-tools@1.2.0+linux';
const POLICY: Policy = {
  defaultClass: 'build',
  classes: {
    build: {
      maximum: 31_536_000_000,
      keep: { afterPublish: 2_592_000_000, afterPull: 1_209_600_000, last: 10, refs: ['*'] },
    },
    evidence: { minimum: 315_360_000_000 },
    scratch: { keep: { matching: [], refs: [] }, grace: 0, deleteEverything: true },
  },
};

const EVENTS: { readonly [K in EventKind]: NewEvent } = {
  'object.ingested': objectIngested('alice', ingestResult(1)),
  'object.verified': objectVerified('alice', ADDRESS, { status: 'intact', size: 1001, damaged: [], repaired: true }),
  'object.corrupted': objectCorrupted('verifier', ADDRESS, RANGES, 'verify'),
  'object.tombstoned': objectTombstoned('zoë', ADDRESS, 'superseded'),
  'object.undeleted': objectUndeleted('zoë', ADDRESS, 'needed after all'),
  'object.lost': newEvent('object.lost', 'sweeper', ADDRESS, { foundBy: 'reconcile' }),
  'object.discarded': newEvent('object.discarded', 'sweeper', ADDRESS, { freedSize: 4096, changed: LATER }),
  'object.deleted': objectDeleted('sweeper', ADDRESS, { deleted: true, freedSize: 4096 }),
  'object.copied': objectCopied('mover', ADDRESS, { tier: 'cold', existed: false, receipts: [COLD] }),
  'object.evicted': objectEvicted('mover', ADDRESS, { tier: 'hot', deleted: true, freedSize: 4096 }),
  'manifest.indexed': manifestIndexed('alice', formatBlake3(MANIFEST), [6, 3, 1000, 1]),
  'package.published': packagePublished('alice', { ...TOOLS, version: '1.2.0+linux' }, PUBLISHED),
  'package.withdrawn': packageWithdrawn(
    'alice',
    { ...TOOLS, version: '1.2.0+linux' },
    { manifest: MANIFEST, reason: 'leaks a key', plan: 'p-2031' },
  ),
  'ref.moved': refMoved('alice', { ...TOOLS, ref: 'latest' }, { from: OTHER, target: MANIFEST, immutable: true }),
  'ref.removed': refRemoved('bob', { ...TOOLS, ref: 'latest' }, { from: MANIFEST, reason: 'withdrawn' }),
  'upload.opened': newEvent('upload.opened', 'alice', UPLOAD, {
    size: 1001,
    blake3,
    sha256,
    expires: LATER,
    metadata: 'filename cmVwb3J0LnBkZg==',
  }),
  'upload.sized': newEvent('upload.sized', 'alice', UPLOAD, { size: 1001 }),
  'upload.completed': newEvent('upload.completed', 'alice', UPLOAD, { size: 1001, blake3, sha256 }),
  'upload.aborted': newEvent('upload.aborted', 'alice', UPLOAD, { offset: 65_536, reason: 'changed my mind' }),
  'upload.expired': newEvent('upload.expired', 'sweeper', UPLOAD, { offset: 65_536, idleSince: LATER }),
  'token.created': newEvent('token.created', 'admin', 'ci-7', {
    holder: 'ci',
    scopes: ['read', 'put'],
    expires: LATER,
  }),
  'token.revoked': newEvent('token.revoked', 'admin', 'ci-7', { reason: 'leaked' }),
  'policy.changed': newEvent('policy.changed', 'admin', 'retention', { to: blake3, from: null, reason: 'first one' }),
  'policy.set': newEvent('policy.set', 'admin', 'acme', { policy: POLICY, reason: 'disk is dear' }),
  'policy.removed': newEvent('policy.removed', 'admin', '*', { reason: 'each has its own' }),
  'package.classified': newEvent('package.classified', 'alice', VERSION, { class: 'release', reason: 'shipped' }),
  'package.pulled': newEvent('package.pulled', 'bob', VERSION, {}),
  'hold.placed': newEvent('hold.placed', 'counsel', 'acme/build-tools', { case: 'C-2026/14', reason: 'litigation' }),
  'hold.released': newEvent('hold.released', 'counsel', 'acme/', { case: 'C-2026/14', reason: 'settled' }),
  'lock.set': newEvent('lock.set', 'admin', ADDRESS, {
    mode: 'governance',
    until: LATER,
    reason: 'by mistake too long',
    bypass: true,
  }),
  'retention.planned': newEvent('retention.planned', 'keeper', ADDRESS, {
    versions: 2,
    objects: 5,
    storedSize: 81_920,
  }),
  'retention.started': newEvent('retention.started', 'keeper', ADDRESS, {}),
  'retention.applied': newEvent('retention.applied', 'keeper', ADDRESS, {
    versions: 2,
    objects: 4,
    storedSize: 65_536,
  }),
  'quota.set': newEvent('quota.set', 'admin', 'acme', {
    reason: 'a shared disk',
    logical: 5_000_000_000,
    physical: 1_000_000_000,
  }),
  'quota.removed': newEvent('quota.removed', 'admin', '*', { reason: 'a disk of its own' }),
  'data.erased': newEvent('data.erased', 'officer', 'DSR 2031/17', {
    texts: ['~AAAAAAAAAAAAAAAAAAAAAA', '~0123456789-_abcdefghij'],
    objects: [sha256],
    reason: 'asked for by letter',
  }),
};

/** In the order in which the kinds are documented. */
export const everyKind: readonly NewEvent[] = Object.values(EVENTS);

/** Facts with members that later versions added, beside the pinned bytes of those before. */
export const furtherFacts: readonly NewEvent[] = [
  newEvent('object.tombstoned', 'zoë', ADDRESS, { reason: 'superseded', grace: 604_800_000, plan: 'p-2031' }),
  ...objectsTombstoned('zoë', [ADDRESS], { plan: 'p-2031' }),
  ...objectsTombstoned('zoë', [ADDRESS], { order: 'DSR 2031/17', reason: 'asked for' }),
  newEvent('upload.opened', 'alice', UPLOAD, { size: 1001, namespace: 'acme' }),
  newEvent('upload.completed', 'alice', UPLOAD, { size: 1001, blake3, sha256, namespace: 'acme' }),
];

/** Facts with every optional member left out. */
export const leastFacts: readonly NewEvent[] = [
  objectTombstoned('me', ADDRESS),
  objectUndeleted('me', ADDRESS),
  packageWithdrawn('me', { ...TOOLS, version: '1' }, { manifest: MANIFEST }),
  refMoved('me', { ...TOOLS, ref: 'latest' }, { target: MANIFEST }),
  refRemoved('me', { ...TOOLS, ref: 'latest' }, { from: MANIFEST }),
  newEvent('upload.opened', 'me', UPLOAD, {}),
  newEvent('upload.aborted', 'me', UPLOAD, { offset: 0 }),
  newEvent('token.created', 'me', 'ci-7', { holder: 'ci', scopes: [] }),
  newEvent('token.revoked', 'me', 'ci-7', {}),
  newEvent('policy.changed', 'me', 'retention', { to: null, from: blake3 }),
  newEvent('policy.set', 'me', '*', { policy: { classes: {} } }),
  newEvent('policy.removed', 'me', 'acme', {}),
  newEvent('package.classified', 'me', VERSION, { class: 'build' }),
  newEvent('hold.released', 'me', ADDRESS, { case: '1' }),
  newEvent('quota.set', 'me', '*', { logical: 0 }),
  newEvent('quota.removed', 'me', 'acme', {}),
  newEvent('data.erased', 'me', '1', { texts: [], objects: [] }),
  newEvent('lock.set', 'me', 'acme/', { mode: 'compliance', until: 0 }),
];
