/** One event of every kind: those whose bytes are pinned. By type exhaustive: a kind that is added without one does not compile. */

import { formatBlake3 } from '../../lib/digest-name.js';
import {
  type EventKind,
  newEvent,
  objectCorrupted,
  objectDeleted,
  objectIngested,
  objectTombstoned,
  objectVerified,
  packagePublished,
  refMoved,
  refRemoved,
} from '../../lib/events/kinds.js';
import type { NewEvent } from '../../lib/events/log.js';
import { ingestResult } from './random-events.js';

const { blake3, sha256 } = ingestResult(1);
const ADDRESS = formatBlake3(blake3);
const UPLOAD = '01890a5d-ac96-774b-bcce-b302099a8057';
const LATER = 1_688_256_399_510;
const RANGES = [
  { start: 0, end: 16_384 },
  { start: 4_294_967_296, end: 4_294_983_680 },
];

const TOOLS = { namespace: 'acme', name: 'build-tools' };
const [MANIFEST, OTHER] = [ingestResult(2).blake3, ingestResult(3).blake3];
const PUBLISHED = { manifest: MANIFEST, entries: 3, size: 12_345 };

const EVENTS: { readonly [K in EventKind]: NewEvent } = {
  'object.ingested': objectIngested('alice', ingestResult(1)),
  'object.verified': objectVerified('alice', ADDRESS, { status: 'intact', size: 1001, damaged: [], repaired: true }),
  'object.corrupted': objectCorrupted('verifier', ADDRESS, RANGES, 'verify'),
  'object.tombstoned': objectTombstoned('zoë', ADDRESS, 'superseded'),
  'object.deleted': objectDeleted('sweeper', ADDRESS, { deleted: true, freedSize: 4096 }),
  'package.published': packagePublished('alice', { ...TOOLS, version: '1.2.0+linux' }, PUBLISHED),
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
};

/** In the order in which the kinds are documented. */
export const everyKind: readonly NewEvent[] = Object.values(EVENTS);

/** Facts with every optional member left out. */
export const leastFacts: readonly NewEvent[] = [
  objectTombstoned('me', ADDRESS),
  refMoved('me', { ...TOOLS, ref: 'latest' }, { target: MANIFEST }),
  refRemoved('me', { ...TOOLS, ref: 'latest' }, { from: MANIFEST }),
  newEvent('upload.opened', 'me', UPLOAD, {}),
  newEvent('upload.aborted', 'me', UPLOAD, { offset: 0 }),
  newEvent('token.created', 'me', 'ci-7', { holder: 'ci', scopes: [] }),
  newEvent('token.revoked', 'me', 'ci-7', {}),
  newEvent('policy.changed', 'me', 'retention', { to: null, from: blake3 }),
];
