/**
 * The shapes of what goes over the wire, by the names that OpenAPI gives them.
 *
 * Pure. Used by the routes of the rooms; `validate.ts` holds requests against them, the tests hold answers.
 */

import { SCOPES } from '../../access/scopes.js';
import { ERROR_CODES } from '../../errors.js';
import type { Schema } from './route.js';

/** A reference to one of SCHEMAS. */
export function ref(name: keyof typeof SCHEMAS): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** An object schema whose properties are all required but those named. */
export function record(properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', properties, required, additionalProperties: false };
}

export const list = (items: Schema): Schema => ({ type: 'array', items });
export const text = (description?: string): Schema => ({ type: 'string', ...(description && { description }) });
export const flag = (description?: string): Schema => ({ type: 'boolean', ...(description && { description }) });

/** A whole number from 0 on that JavaScript can hold. */
export function count(description?: string, maximum: number = Number.MAX_SAFE_INTEGER): Schema {
  return { type: 'integer', minimum: 0, maximum, ...(description && { description }) };
}

const bytes = count('Bytes.');
const time = count('Milliseconds since 1970 UTC.');
const seq = count('Place in the event log.');
const blake3 = { type: 'string', pattern: '^blake3:[0-9a-f]{64}$' };
const sha256 = { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' };
const range = record({ start: bytes, end: count('Exclusive.') });

const object = {
  blake3,
  sha256,
  size: bytes,
  state: { enum: ['live', 'corrupt', 'tombstoned', 'deleted'] },
  ingestedAt: time,
  lastSeq: seq,
  receipts: list({ $ref: '#/components/schemas/Receipt' }),
  damaged: list(range),
  lost: { const: true, description: 'Nothing of it is there any more.' },
  tombstone: { $ref: '#/components/schemas/Tombstone' },
};

export const SCHEMAS = {
  Blake3: { ...blake3, description: 'Content address: BLAKE3 of the bytes.' },
  Sha256: { ...sha256, description: 'SHA-256 of the bytes.' },
  Digest: { type: 'string', pattern: '^(blake3|sha256):[0-9a-fA-F]{64}$', description: 'Either digest of an object.' },
  Receipt: record(
    {
      backend: text(),
      tier: text(),
      key: text('Where the bytes are; its meaning is the backend’s own.'),
      storedSize: bytes,
      durability: text(),
      bucket: text('On S3: the bucket.'),
      etag: text('On S3: what the server says; no digest of these bytes.'),
      version: text('On S3: the version, where the bucket keeps versions.'),
    },
    ['bucket', 'etag', 'version'],
  ),
  Tombstone: record(
    {
      seq,
      id: text(),
      time,
      actor: text(),
      reason: text(),
      sweepAfter: count('From when on its bytes may be removed; absent: at once.'),
      plan: text('The retention plan that named it.'),
      order: text('The order under which it was erased.'),
    },
    ['reason', 'sweepAfter', 'plan', 'order'],
  ),
  Protector: record(
    {
      kind: { enum: ['hold', 'lock', 'policy'] },
      name: text(),
      until: time,
      because: text('Why: the end of "it stays because …".'),
    },
    ['until'],
  ),
  Kept: record(
    {
      address: blake3,
      because: { enum: ['unknown', 'gone', 'there', 'needed', 'busy', 'protected'] },
      protector: { $ref: '#/components/schemas/Protector' },
    },
    ['protector'],
  ),
  Sweep: record({
    objects: count('Objects whose bytes were removed.'),
    freedSize: count('Bytes given back with them.'),
    keptCount: count('Objects that are due and protected.'),
    kept: list({ $ref: '#/components/schemas/Kept' }),
    failedCount: count('Objects whose bytes could not be removed.'),
    failed: list(record({ address: blake3, error: record({ code: text(), message: text() }) })),
  }),
  Object: record(object, ['damaged', 'lost', 'tombstone']),
  Deletion: record({ ...object, freedSize: count('Bytes of storage given back.') }, ['damaged', 'lost', 'tombstone']),
  Stored: record({
    blake3,
    sha256,
    size: bytes,
    existed: flag('The same bytes were stored before.'),
    healed: flag('A damaged copy was there and has been replaced.'),
    receipts: list({ $ref: '#/components/schemas/Receipt' }),
    event: record({ seq, id: text(), time }),
  }),
  Version: record({
    namespace: text(),
    name: text(),
    version: text(),
    manifest: blake3,
    entries: count('Files, links and empty directories.'),
    size: bytes,
    publishedAt: time,
    actor: text(),
    seq,
  }),
  Reconciliation: record({
    objects: count('Objects that are stored.'),
    size: bytes,
    orphans: count('Those that no event names.'),
    orphansSize: bytes,
    discarded: count('Of those, removed.'),
    freedSize: count('Bytes given back.'),
    young: count('Of those, too young, or in use.'),
    lost: count('Objects that the log names and that are not there.'),
    shown: record({ orphans: list(blake3), lost: list(blake3) }),
  }),
  Withdrawal: record({
    record: { $ref: '#/components/schemas/Version' },
    removed: list(text('A ref that was removed with it.')),
    events: list(record({ seq, id: text(), time, kind: text() })),
  }),
  Restoration: record({
    record: { $ref: '#/components/schemas/Version' },
    undeleted: count('Objects of it that were deleted and are not any more.'),
    events: list(record({ seq, id: text(), time, kind: text() })),
  }),
  Verification: record(
    {
      record: { $ref: '#/components/schemas/Object' },
      status: { enum: ['intact', 'corrupt', 'missing'] },
      size: count('Bytes that are there.'),
      blake3: { ...blake3, description: 'Of the bytes as they are.' },
      sha256: { ...sha256, description: 'Of the bytes as they are; absent when only BLAKE3 was asked for.' },
      damaged: list(range),
      repaired: flag('Its outboard was damaged, and has been rewritten; or one of its copies, and has been replaced.'),
    },
    ['blake3', 'sha256'],
  ),
  Usage: record(
    {
      objects: count('Objects that are live.'),
      size: bytes,
      storedSize: count('Bytes that they occupy, in all tiers.'),
      cold: record({ objects: count('Those with a copy in the cold tier.'), storedSize: bytes }),
    },
    ['cold'],
  ),
  NamespaceUsage: record({
    namespace: text(),
    packages: count(),
    versions: count(),
    refs: count(),
    size: count('Bytes of the files of all different manifests.'),
    objects: count('Objects that those need and that can be read, each once.'),
    uniqueSize: count('Their bytes.'),
    storedSize: count('Bytes that they occupy. What namespaces share counts in each.'),
    missing: count('Objects that they need and that cannot be read.'),
  }),
  Published: record({
    namespace: text(),
    name: text(),
    version: text(),
    manifest: blake3,
    entries: count(),
    size: bytes,
    stored: count('Objects that were not here before.'),
    published: flag('It is new.'),
    moved: list(text('A ref that was made or moved.')),
    events: list(record({ seq, id: text(), time, kind: text() })),
  }),
  Ref: record({
    namespace: text(),
    name: text(),
    ref: text(),
    target: blake3,
    immutable: flag('It cannot move, nor be removed.'),
    movedAt: time,
    actor: text(),
    seq,
  }),
  Upload: record(
    {
      id: text(),
      state: { enum: ['open', 'completed'] },
      offset: count('Bytes that are durable; the next byte to send.'),
      length: count('Bytes of the object, once known.'),
      blake3,
      sha256,
      expires: time,
      metadata: text('As tus wrote it.'),
      namespace: text('In whose quota it has room.'),
    },
    ['length', 'blake3', 'sha256', 'expires', 'metadata', 'namespace'],
  ),
  Token: record(
    {
      id: text(),
      holder: text('Whom it is for.'),
      scopes: list({ enum: Object.keys(SCOPES) }),
      namespaces: list(text()),
      expires: time,
      rate: count('Requests a minute.'),
      quota: bytes,
      used: count('Bytes of objects that are there by it; counted only where there is a quota.'),
      createdAt: time,
      createdBy: text(),
      revoked: record({ time, actor: text(), reason: text() }, ['reason']),
      token: text('Only in the answer that makes it: the secret itself.'),
    },
    ['namespaces', 'expires', 'rate', 'quota', 'revoked', 'token'],
  ),
  Policy: record(
    {
      namespace: text('The namespace, or * for all that have none of their own.'),
      policy: { type: 'object', description: 'As a policy file has it: see the documentation of retention.' },
      setAt: time,
      actor: text(),
      seq,
      reason: text(),
      pullsSince: count('Since when pulls are noted for it.'),
    },
    ['reason', 'pullsSince'],
  ),
  Quota: record(
    {
      namespace: text('The namespace, or * for each that has no quota of its own.'),
      logical: count('Bytes of files, as its versions have them.'),
      physical: count('Bytes of the objects that its versions need, each once.'),
      setAt: time,
      actor: text(),
      seq,
      reason: text(),
    },
    ['logical', 'physical', 'reason'],
  ),
  QuotaStatus: record(
    {
      namespace: text(),
      quota: { $ref: '#/components/schemas/Quota', description: 'Its own, or that of *; absent: nothing bounds it.' },
      taken: record({
        logical: bytes,
        physical: bytes,
        waiting: count('Of both: bytes of what was uploaded for it and is in no package.'),
        reserved: count('Lengths of the uploads for it that have not ended, as far as they are known.'),
      }),
    },
    ['quota', 'taken'],
  ),
  Hold: record({
    subject: text('What is held: an object, namespace/name@version, namespace/name, or namespace/.'),
    case: text(),
    reason: text(),
    placedAt: time,
    actor: text(),
    seq,
  }),
  Lock: record(
    {
      subject: text('What is locked, as for holds.'),
      mode: { enum: ['governance', 'compliance'] },
      until: time,
      setAt: time,
      actor: text(),
      seq,
      reason: text(),
    },
    ['reason'],
  ),
  Plan: record(
    {
      plan: blake3,
      plannedAt: time,
      actor: text(),
      seq,
      versions: count('Versions that are to go.'),
      objects: count('Objects that are to go.'),
      storedSize: count('Bytes that those occupy.'),
      startedAt: time,
      appliedAt: time,
      applied: record({ versions: count(), objects: count(), storedSize: count() }),
    },
    ['startedAt', 'appliedAt', 'applied'],
  ),
  RetentionStatus: record({
    now: count('The time of the log, which never runs backwards; milliseconds since 1970 UTC.'),
    policies: count(),
    plans: list({ $ref: '#/components/schemas/Plan' }),
    unfinished: list({ $ref: '#/components/schemas/Plan' }),
  }),
  Application: record({
    plan: blake3,
    versions: count('Versions that were withdrawn.'),
    objects: count('Objects that were deleted for readers.'),
    size: bytes,
    storedSize: count('Bytes that those occupy until they are swept.'),
    keptCount: count('Objects of the plan that stay after all.'),
    kept: list(record({ address: blake3, because: text() })),
  }),
  Erasure: record({
    order: text(),
    dryRun: flag('It was only looked for.'),
    textCount: count('Texts that went: names, and what people wrote.'),
    texts: list(
      record(
        {
          pseudonym: text(),
          isActor: flag('A name; else what somebody wrote.'),
          text: text('Only as long as it is there.'),
        },
        ['text'],
      ),
    ),
    objects: list(record({ address: blake3, freedSize: bytes })),
    standing: list(text('A name that stands in events of a former version, which nothing may change.')),
    remains: flag('Something may be left in the files of the log until the service is stopped.'),
    events: list(seq),
  }),
  Why: record({
    subject: text(),
    state: { enum: ['kept', 'stays', 'goes', 'gone'] },
    sentences: list(text()),
  }),
  Event: record({
    seq,
    v: count('Version of the kind’s facts.'),
    id: text('UUID, unique over all logs.'),
    time,
    kind: text(),
    actor: text(),
    subject: { type: ['string', 'null'] },
    data: { description: 'The facts: see the documentation of events.' },
  }),
  Problem: {
    type: 'object',
    description: 'RFC 9457. Further members are details of the error.',
    properties: {
      type: { type: 'string', format: 'uri' },
      title: text(),
      status: { type: 'integer', minimum: 400, maximum: 599 },
      detail: text('What was wrong, with which value, and what to do.'),
      code: { enum: Object.keys(ERROR_CODES) },
      requestId: text('Also in X-Request-Id; the operator finds the request by it.'),
    },
    required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
  },
} as const satisfies Readonly<Record<string, Schema>>;
