/**
 * The shapes of what goes over the wire, by the names that OpenAPI gives them.
 *
 * Pure. Used by the routes of the rooms; `validate.ts` holds requests against them, the tests hold answers.
 */

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
  tombstone: { $ref: '#/components/schemas/Tombstone' },
};

export const SCHEMAS = {
  Blake3: { ...blake3, description: 'Content address: BLAKE3 of the bytes.' },
  Sha256: { ...sha256, description: 'SHA-256 of the bytes.' },
  Digest: { type: 'string', pattern: '^(blake3|sha256):[0-9a-fA-F]{64}$', description: 'Either digest of an object.' },
  Receipt: record({
    backend: text(),
    tier: text(),
    key: text('Where the bytes are; its meaning is the backend’s own.'),
    storedSize: bytes,
    durability: text(),
  }),
  Tombstone: record({ seq, id: text(), time, actor: text(), reason: text() }, ['reason']),
  Object: record(object, ['damaged', 'tombstone']),
  Deletion: record({ ...object, freedSize: count('Bytes of storage given back.') }, ['damaged', 'tombstone']),
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
  Published: record({
    namespace: text(),
    name: text(),
    version: text(),
    manifest: blake3,
    entries: count(),
    size: bytes,
    stored: count('Objects that were not here before.'),
    published: flag('It is new.'),
    events: list(seq),
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
    },
    ['length', 'blake3', 'sha256', 'expires', 'metadata'],
  ),
  Token: record(
    {
      id: text(),
      holder: text('Whom it is for.'),
      scopes: list({ enum: ['read', 'write', 'delete', 'admin'] }),
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
