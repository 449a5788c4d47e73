/**
 * The events of many ingests, written from the columns of their table: the bytes of `objectIngested` for each, without making an object of any.
 * Nearly all bytes of an event are those of the one before: they are copied, and what differs is written over them, by the core where it is there.
 *
 * Imports the contract's table, the layout of results, the parts of an envelope, identities, columns, records, errors and limits. `sqlite-log.ts` commits it.
 */

import { randomFillSync } from 'node:crypto';
import { type CborValue, encodeCanonical } from '../cbor/index.js';
import type { IngestTable } from '../dataplane/spi.js';
import { ArtifactStoreError } from '../errors.js';
import { DIGEST_SIZE } from '../limits.js';
import { FieldKind, type FillRecords, type RecordField, type RecordForm } from '../record-form.js';
import type { Parts } from '../record-parts.js';
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
import type { IngestColumns } from './ingest-columns.js';
import { HEAD_SIZE_MAX, headSize, INGEST_PARTS, ingestSizeMax, Writer } from './ingest-layout.js';
import { type IngestedEvent, readIngestedEvent } from './ingested-event.js';
import { EVENT_VERSION, objectIngested } from './kinds.js';
import type { Ingests, StoredEvent, StoredEvents } from './log.js';
import type { MaskedActor } from './personal-texts.js';
import type { PersonalText } from './pseudonym.js';
import { formatUuidv7, UUID_RANDOM_SIZE, uuidv7Parts, writeUuidv7 } from './uuid.js';

const ENCODED_KIND = encodeCanonical(INGESTED);
const { beforeSize, beforeBlake3, beforeHealed, beforeSha256, beforeExisted, beforeKey, afterKey } = INGEST_PARTS;
const BEFORE_RESULT = Buffer.concat([BEFORE_DATA, beforeSize]);

/** Ingests that are to be recorded. */
export class PreparedIngests implements EventBlock<StoredEvents> {
  readonly count: number;
  readonly sizeMax: number;
  readonly texts: readonly PersonalText[];
  readonly #ingests: Ingests;
  /** The actor as it is written. */
  readonly #actor: string;
  readonly #encodedActor: Uint8Array;
  readonly #afterKey: Uint8Array;

  /**
   * @param masked the actor as it is to be written, and its text where that is not on disk
   * @throws AS_ERR_INVALID_ARGUMENT: the actor is empty, or the bytes are not durable yet
   */
  constructor(
    ingests: Ingests,
    private readonly fillRecords: FillRecords,
    masked: MaskedActor = { actor: ingests.actor, texts: [] },
  ) {
    const { table, indexes } = ingests;
    if (table.receipt.durability === 'deferred') {
      throw new ArtifactStoreError(
        'AS_ERR_INVALID_ARGUMENT',
        'Events of kind object.ingested were refused: the bytes are not durable yet.',
      );
    }
    this.#ingests = ingests;
    this.texts = masked.texts;
    this.#actor = masked.actor;
    this.#encodedActor = encodeActor(masked.actor);
    this.#afterKey = afterKey(table.receipt);
    this.count = indexes.length;
    const size =
      FIXED_SIZE + ENCODED_KIND.byteLength + this.#encodedActor.byteLength + ADDRESS_HEAD.byteLength + ADDRESS_LENGTH;
    this.sizeMax = indexes.length * (size + ingestSizeMax(this.#afterKey));
  }

  write(buffer: CommitBuffer, index: number): StoredEvents {
    const { bytes, ends, first, time, ingests, forms: alike } = buffer;
    const { table, indexes } = this.#ingests;
    const random = randomFillSync(new Uint8Array(UUID_RANDOM_SIZE * this.count));
    const forms = new Map<number, Form>();
    const formOf = new Uint8Array(this.count);
    let at = index === 0 ? 0 : (ends[index - 1] as number);
    const start = at;
    for (let n = 0; n < indexes.length; n++) {
      const row = indexes[n] as number;
      const size = table.sizes[row] as number;
      const storedSize = table.storedSizes[row] as number;
      const which = HEAD_SIZE_MAX * headSize(size) + headSize(storedSize);
      let form = forms.get(which);
      if (form === undefined) {
        form = this.#form(buffer, forms.size, size, storedSize);
        forms.set(which, form);
      }
      formOf[n] = form.number;
      alike.of[index + n] = form.alike;
      if (form.members) setColumns(ingests, index + n, at, form.members, time, size, storedSize);
      at += form.bytes.length;
    }
    ingests.sameActor.fill(1, index + 1, index + this.count);
    this.fillRecords({
      target: bytes,
      at: start,
      ends: ends.subarray(index, index + this.count),
      rows: indexes,
      formOf,
      forms: [...forms.values()],
      fields: fieldsOf(table, random),
    });
    return new IngestEvents(this.#ingests, this.#actor, first + index, time, random);
  }

  /** An event with these sizes, in which zeros stand where others of as many bytes differ. */
  #form({ time, encodedTime, forms }: CommitBuffer, number: number, size: number, storedSize: number): Form {
    const writer = new Writer(Buffer.alloc(this.sizeMax / this.count), 0);
    writer.bytes(BEFORE_ID);
    const idAt = writer.skip(ID_LENGTH);
    writeUuidv7(writer.target, idAt, time, new Uint8Array(UUID_RANDOM_SIZE), 0);
    writer.bytes(BEFORE_RESULT);
    const sizeAt = writer.at;
    writer.head(0, size);
    writer.bytes(beforeBlake3);
    const blake3At = writer.skip(DIGEST_SIZE);
    writer.bytes(beforeHealed);
    const healedAt = writer.at;
    writer.boolean(false);
    writer.bytes(beforeSha256);
    const sha256At = writer.skip(DIGEST_SIZE);
    writer.bytes(beforeExisted);
    const existedAt = writer.at;
    writer.boolean(false);
    writer.bytes(beforeKey);
    const keyAt = writer.at;
    writer.bytes(NO_DIGITS); // those of the zeros that the address is
    writer.bytes(this.#afterKey);
    const storedSizeAt = writer.at;
    writer.head(0, storedSize);
    writer.bytes(this.#afterData(encodedTime));
    const digitsAt = writer.skip(2 * DIGEST_SIZE);
    const bytes = new Uint8Array(writer.target.subarray(0, writer.at));
    const places = [idAt, sizeAt, blake3At, healedAt, sha256At, existedAt, keyAt, storedSizeAt, digitsAt];
    const sizes = [headSize(size), headSize(storedSize)] as const;
    const name = JSON.stringify([INGESTED, ...sizes, this.#actor, this.#ingests.table.receipt]);
    const alike = forms.named(name, () => partsOf(places, ...sizes));
    return { number, alike, bytes, places, members: readIngestedEvent(bytes, 0, bytes.length) };
  }

  /** What stands between the result and the digits of the address. */
  #afterData(encodedTime: Uint8Array): Uint8Array {
    const before = [BEFORE_KIND, ENCODED_KIND, BEFORE_TIME, encodedTime, BEFORE_ACTOR, this.#encodedActor];
    return Buffer.concat([...before, BEFORE_SUBJECT, ADDRESS_HEAD, Buffer.from(ADDRESS_START, 'latin1')]);
  }
}

const NO_DIGITS = Buffer.alloc(2 * DIGEST_SIZE, '0', 'latin1');

/** An event, and where in it others differ from it. */
interface Form extends RecordForm {
  /** Its place among the forms. */
  readonly number: number;
  /** Its number among those of the commit. */
  readonly alike: number;
  /** Where its members are, from its beginning; nothing where it is not in the usual form. */
  readonly members: IngestedEvent | undefined;
}

/** In what events of a form differ, by its places and the bytes that their sizes take. */
function partsOf(places: readonly number[], sizeBytes: number, storedSizeBytes: number): Parts {
  const [idAt, sizeAt, blake3At, healedAt, sha256At, existedAt, keyAt, storedSizeAt, digitsAt] = places as Nine;
  const id = uuidv7Parts(idAt);
  const sizes = [sizeAt, sizeBytes, storedSizeAt, storedSizeBytes];
  return {
    own: [...id.own, ...sizes, blake3At, DIGEST_SIZE, sha256At, DIGEST_SIZE, healedAt, 1, existedAt, 1],
    digits: id.digits,
    copies: [keyAt, DIGEST_SIZE, blake3At, digitsAt, DIGEST_SIZE, blake3At],
  };
}

type Nine = [number, number, number, number, number, number, number, number, number];

/** What differs, in the order of a form's places. */
function fieldsOf({ digests, sizes, storedSizes, healed, existed }: IngestTable, random: Uint8Array): RecordField[] {
  const blake3 = { column: digests, stride: 2 * DIGEST_SIZE, size: DIGEST_SIZE };
  return [
    { kind: FieldKind.uuid, column: random },
    { kind: FieldKind.head, column: sizes },
    { kind: FieldKind.bytes, ...blake3 },
    { kind: FieldKind.boolean, column: healed },
    { kind: FieldKind.bytes, ...blake3, offset: DIGEST_SIZE },
    { kind: FieldKind.boolean, column: existed },
    { kind: FieldKind.hex, ...blake3 },
    { kind: FieldKind.head, column: storedSizes },
    { kind: FieldKind.hex, ...blake3 },
  ];
}

/** Says where the members of an event are, so that nobody has to find them in its bytes: `distance` behind those of a form. */
function setColumns(
  ingests: IngestColumns,
  index: number,
  distance: number,
  { layout, actorAt }: IngestedEvent,
  time: number,
  size: number,
  storedSize: number,
): void {
  ingests.usual[index] = 1;
  ingests.times[index] = time;
  ingests.sizes[index] = size;
  ingests.storedSizes[index] = storedSize;
  ingests.blake3At[index] = distance + layout.blake3At;
  ingests.sha256At[index] = distance + layout.sha256At;
  ingests.keptAt[index] = distance + layout.keptAt;
  ingests.keptSize[index] = layout.end - layout.keptAt;
  ingests.actorAt[index] = distance + actorAt;
}

/** The events of a block that is stored, made when asked for. */
class IngestEvents implements StoredEvents {
  readonly length: number;
  readonly #ingests: Ingests;
  readonly #writtenActor: string;
  readonly #random: Uint8Array;

  constructor(
    ingests: Ingests,
    writtenActor: string,
    readonly first: number,
    readonly time: number,
    random: Uint8Array,
  ) {
    this.length = ingests.indexes.length;
    this.#ingests = ingests;
    this.#writtenActor = writtenActor;
    this.#random = random;
  }

  event(n: number): StoredEvent {
    const id = formatUuidv7(this.time, this.#random, UUID_RANDOM_SIZE * n);
    const row = this.#ingests.indexes[n] as number;
    return new IngestEvent(this.first + n, id, this.time, this.#ingests, this.#writtenActor, row);
  }
}

/** One of them. Most who store an object want its place in the log and no more, so what else it has is made when somebody asks. */
class IngestEvent implements StoredEvent {
  readonly v = EVENT_VERSION;
  readonly kind = INGESTED;
  readonly actor: string;
  readonly #table: IngestTable;
  readonly #row: number;
  #whole: StoredEvent | undefined;

  constructor(
    readonly seq: number,
    readonly id: string,
    readonly time: number,
    { actor, table }: Ingests,
    /** The actor in its bytes. */
    private readonly writtenActor: string,
    row: number,
  ) {
    this.actor = actor;
    this.#table = table;
    this.#row = row;
  }

  get subject(): string | null {
    return this.#get().subject;
  }

  get data(): CborValue {
    return this.#get().data;
  }

  get dataBytes(): Uint8Array {
    return this.#get().dataBytes;
  }

  get bytes(): Uint8Array {
    return this.#get().bytes;
  }

  #get(): StoredEvent {
    this.#whole ??= storedEvent(
      this.seq,
      prepareEvent(objectIngested(this.writtenActor, this.#table.result(this.#row))),
      this.id,
      this.time,
    );
    return this.#whole;
  }
}
