/**
 * The checker: proves that bytes are one canonical CBOR value before anything is built from them. It allocates a frame per open
 * container and nothing else that an input could make large. Iterative, so nesting cannot overflow the stack. May import head, text,
 * errors, limits. Called by decoding and by `Encoded`.
 *
 * It checks instead of the usual decode, encode and compare because it must name the byte that is wrong, and because a
 * decoder fed with unchecked bytes trusts their lengths.
 */

import { ArtifactStoreError } from '../errors.js';
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX, CBOR_SIZE_MAX } from '../limits.js';
import { FALSE, Head, type HeadFault, MAJOR, NULL } from './head.js';
import { textFault } from './text.js';

/** What a checked value costs the limits of a larger value that it becomes part of. */
export interface Measure {
  /** Containers inside each other; 0 for a scalar. */
  depth: number;
  /** Data items, keys included. */
  items: number;
}

const HEAD_FAULTS: Record<HeadFault, string> = {
  truncated: 'the input ends in the middle of a value',
  reserved: 'the additional information 28, 29 or 30 is reserved',
  indefinite: 'an indefinite length or a break is not allowed',
  long: 'a number or length takes more bytes than it needs',
};

/** BOM kept: it is a character of the text like any other. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A container whose items are still to come. */
interface Frame {
  readonly map: boolean;
  /** Items to come; in a map a key is due when this is even. */
  remaining: number;
  /** Content of the previous key, -1 before the first. */
  keyStart: number;
  keyEnd: number;
}

/**
 * Checks that `bytes` are exactly one value of the profile in docs/formats/cbor.md.
 * @throws AS_ERR_CBOR_DECODE with `details.offset`, the byte where the first fault begins, and `details.reason`
 */
export function scan(bytes: Uint8Array): Measure {
  if (bytes.length > CBOR_SIZE_MAX) {
    fail(0, `the input has ${bytes.length} bytes, and the limit is ${CBOR_SIZE_MAX}`);
  }
  return new Scan(bytes).run();
}

/** Reports a fault at a byte offset. */
export function fail(offset: number, reason: string): never {
  throw new ArtifactStoreError(
    'AS_ERR_CBOR_DECODE',
    `These bytes are not canonical CBOR: at byte ${offset}, ${reason}. Encode the value again by the rules in docs/formats/cbor.md.`,
    { offset, reason },
  );
}

class Scan {
  readonly #bytes: Uint8Array;
  readonly #head = new Head();
  readonly #open: Frame[] = [];
  #offset = 0;
  #items = 0;
  #depth = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  run(): Measure {
    do {
      this.#item();
      while (this.#open.at(-1)?.remaining === 0) this.#open.pop();
    } while (this.#open.length > 0);
    if (this.#offset < this.#bytes.length) fail(this.#offset, 'the value has ended, but more bytes follow');
    return { depth: this.#depth, items: this.#items };
  }

  /** One head, with the content of a string: the content of a container are items of their own. */
  #item(): void {
    const start = this.#offset;
    const frame = this.#open.at(-1);
    const isKey = frame?.map === true && frame.remaining % 2 === 0;
    if (frame) frame.remaining -= 1;
    if (++this.#items > CBOR_ITEMS_MAX) fail(start, `the value has more than ${CBOR_ITEMS_MAX} items`);
    this.#readHead(start);
    if (isKey) this.#key(frame, start);
    else this.#value(start);
  }

  #readHead(start: number): void {
    const head = this.#head;
    const fault = head.read(this.#bytes, start);
    // Simple values and tags first: for them "too long" would hide that the whole item is not allowed.
    if (fault !== 'truncated' && head.major === MAJOR.tag) fail(start, 'tags are not allowed');
    if (fault !== 'truncated' && head.major === MAJOR.simple) checkSimple(start, head.info);
    if (fault) fail(start, HEAD_FAULTS[fault]);
    this.#offset = head.end;
  }

  #key(frame: Frame, start: number): void {
    if (this.#head.major !== MAJOR.text) fail(start, 'a map key is not text');
    this.#text(start);
    const keyStart = this.#head.end;
    if (frame.keyStart >= 0) {
      const order = this.#compare(frame.keyStart, frame.keyEnd, keyStart, this.#offset);
      if (order === 0) fail(start, 'a map key is there twice');
      if (order > 0) fail(start, 'map keys are out of order; shorter ones come first, then by their bytes');
    }
    frame.keyStart = keyStart;
    frame.keyEnd = this.#offset;
  }

  #value(start: number): void {
    const head = this.#head;
    switch (head.major) {
      case MAJOR.negative:
        if (head.high > 0x7fff_ffff) fail(start, 'an integer is below -2^63');
        break;
      case MAJOR.bytes:
        this.#content(start);
        break;
      case MAJOR.text:
        this.#text(start);
        break;
      case MAJOR.array:
        this.#container(start, head.argument, false);
        break;
      case MAJOR.map:
        this.#container(start, head.argument * 2, true);
        break;
    }
  }

  #container(start: number, items: number, map: boolean): void {
    // Every item takes a byte at least, so a longer declaration is a lie.
    if (items > this.#bytes.length - this.#offset) fail(start, HEAD_FAULTS.truncated);
    if (this.#open.length === CBOR_DEPTH_MAX) fail(start, `containers are nested deeper than ${CBOR_DEPTH_MAX}`);
    this.#open.push({ map, remaining: items, keyStart: -1, keyEnd: -1 });
    this.#depth = Math.max(this.#depth, this.#open.length);
  }

  #content(start: number): void {
    if (this.#head.argument > this.#bytes.length - this.#offset) fail(start, HEAD_FAULTS.truncated);
    this.#offset += this.#head.argument;
  }

  #text(start: number): void {
    this.#content(start);
    for (let i = this.#head.end; i < this.#offset; i++) {
      if ((this.#bytes[i] as number) > 0x7f) {
        this.#unicode(start);
        return;
      }
    }
  }

  #unicode(start: number): void {
    let text: string;
    try {
      text = utf8.decode(this.#bytes.subarray(this.#head.end, this.#offset));
    } catch {
      fail(start, 'text is not valid UTF-8');
    }
    const fault = textFault(text);
    if (fault) fail(start, fault);
  }

  /** Order of two ranges of the input as key contents: shorter first, then byte by byte. */
  #compare(aStart: number, aEnd: number, bStart: number, bEnd: number): number {
    const size = aEnd - aStart;
    let order = size - (bEnd - bStart);
    for (let i = 0; order === 0 && i < size; i++) {
      order = (this.#bytes[aStart + i] as number) - (this.#bytes[bStart + i] as number);
    }
    return order;
  }
}

function checkSimple(start: number, info: number): void {
  if (info >= (FALSE & 0x1f) && info <= (NULL & 0x1f)) return;
  if (info === 23) fail(start, 'undefined is not allowed; leave the member out or use null');
  if (info >= 25 && info <= 27) fail(start, 'floating-point numbers are not allowed');
  if (info === 31) fail(start, HEAD_FAULTS.indefinite);
  fail(start, 'the only simple values allowed are false, true and null');
}
