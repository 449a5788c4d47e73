/**
 * The events of many ingests, written from the columns of their table: the bytes of `objectIngested` for each, without making an object of any.
 *
 * Imports the contract's table, the layout of results, the parts of an envelope, identities, errors and limits. `sqlite-log.ts` commits it.
 */

import { randomFillSync } from 'node:crypto';
import { encodeCanonical } from '../cbor/index.js';
import { ArtifactStoreError } from '../errors.js';
import { DIGEST_SIZE } from '../limits.js';
import { encodeActor, prepareEvent, storedEvent } from './envelope.js';
import {
  ADDRESS_HEAD,
  ADDRESS_LENGTH,
  ADDRESS_START,
  BEFORE_ACTOR,
  BEFORE_DATA,
  BEFORE_ID,
  BEFORE_KIND,
  BEFORE_SUBJECT,
  BEFORE_TIME,
  FIXED_SIZE,
  ID_LENGTH,
  INGESTED,
} from './envelope-parts.js';
import type { CommitBuffer, EventBlock } from './event-block.js';
import { INGEST_PARTS, ingestSizeMax, Writer } from './ingest-layout.js';
import { objectIngested } from './kinds.js';
import type { Ingests, StoredEvent, StoredEvents } from './log.js';
import { formatUuidv7, UUID_RANDOM_SIZE, writeUuidv7 } from './uuid.js';

const ENCODED_KIND = encodeCanonical(INGESTED);
const { beforeSize, beforeBlake3, beforeHealed, beforeSha256, beforeExisted, beforeKey, afterKey } = INGEST_PARTS;
const BEFORE_RESULT = Buffer.concat([BEFORE_DATA, beforeSize]);

/** Ingests that are to be recorded. */
export class PreparedIngests implements EventBlock<StoredEvents> {
  readonly count: number;
  readonly sizeMax: number;
  readonly #ingests: Ingests;
  readonly #encodedActor: Uint8Array;
  readonly #afterKey: Uint8Array;

  /** @throws AS_ERR_INVALID_ARGUMENT: the actor is empty, or the bytes are not durable yet */
  constructor(ingests: Ingests) {
    const { actor, table, indexes } = ingests;
    if (table.receipt.durability === 'deferred') {
      throw new ArtifactStoreError(
        'AS_ERR_INVALID_ARGUMENT',
        'Events of kind object.ingested were refused: the bytes are not durable yet.',
      );
    }
    this.#ingests = ingests;
    this.#encodedActor = encodeActor(actor);
    this.#afterKey = afterKey(table.receipt);
    this.count = indexes.length;
    const size =
      FIXED_SIZE + ENCODED_KIND.byteLength + this.#encodedActor.byteLength + ADDRESS_HEAD.byteLength + ADDRESS_LENGTH;
    this.sizeMax = indexes.length * (size + ingestSizeMax(this.#afterKey));
  }

  write({ bytes, ends, first, time, encodedTime }: CommitBuffer, index: number): StoredEvents {
    const { table, indexes } = this.#ingests;
    const { digests, sizes, storedSizes, healed, existed } = table;
    const random = randomFillSync(new Uint8Array(UUID_RANDOM_SIZE * this.count));
    const afterData = this.#afterData(encodedTime);
    const writer = new Writer(bytes, index === 0 ? 0 : (ends[index - 1] as number));
    for (let n = 0; n < indexes.length; n++) {
      const row = indexes[n] as number;
      const digest = 2 * DIGEST_SIZE * row;
      writer.bytes(BEFORE_ID);
      writeUuidv7(bytes, writer.at, time, random, UUID_RANDOM_SIZE * n);
      writer.at += ID_LENGTH;
      writer.bytes(BEFORE_RESULT);
      writer.head(0, sizes[row] as number);
      writer.bytes(beforeBlake3);
      writer.part(digests, digest, DIGEST_SIZE);
      writer.bytes(beforeHealed);
      writer.boolean(healed[row] === 1);
      writer.bytes(beforeSha256);
      writer.part(digests, digest + DIGEST_SIZE, DIGEST_SIZE);
      writer.bytes(beforeExisted);
      writer.boolean(existed[row] === 1);
      writer.bytes(beforeKey);
      writer.hex(digests, digest, DIGEST_SIZE);
      writer.bytes(this.#afterKey);
      writer.head(0, storedSizes[row] as number);
      writer.bytes(afterData);
      writer.hex(digests, digest, DIGEST_SIZE);
      ends[index + n] = writer.at;
    }
    return new IngestEvents(this.#ingests, first + index, time, random);
  }

  /** What stands between the result and the digits of the address. */
  #afterData(encodedTime: Uint8Array): Uint8Array {
    const before = [BEFORE_KIND, ENCODED_KIND, BEFORE_TIME, encodedTime, BEFORE_ACTOR, this.#encodedActor];
    return Buffer.concat([...before, BEFORE_SUBJECT, ADDRESS_HEAD, Buffer.from(ADDRESS_START, 'latin1')]);
  }
}

/** The events of a block that is stored, made when asked for. */
class IngestEvents implements StoredEvents {
  readonly length: number;
  readonly #ingests: Ingests;
  readonly #random: Uint8Array;

  constructor(
    ingests: Ingests,
    readonly first: number,
    readonly time: number,
    random: Uint8Array,
  ) {
    this.length = ingests.indexes.length;
    this.#ingests = ingests;
    this.#random = random;
  }

  event(n: number): StoredEvent {
    const { actor, table, indexes } = this.#ingests;
    const prepared = prepareEvent(objectIngested(actor, table.result(indexes[n] as number)));
    return storedEvent(
      this.first + n,
      prepared,
      formatUuidv7(this.time, this.#random, UUID_RANDOM_SIZE * n),
      this.time,
    );
  }
}
