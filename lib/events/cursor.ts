/**
 * Reads canonical CBOR of a known form by its places, without the general decoder.
 *
 * Imports nothing. `ingest-layout.ts` and `removed-event.ts` find members with it.
 */

/** The least number for which canonical CBOR takes a head with 1, 2, 4 or 8 more bytes. */
const LEAST = [24, 2 ** 8, 2 ** 16, 2 ** 32];

/** Reads forward over bytes that may be anything; `at` is -1 once they are not what was expected. */
export class Cursor {
  constructor(
    readonly bytes: Uint8Array,
    public at: number,
  ) {}

  /** Passes over exactly these bytes. */
  literal(expected: Uint8Array): void {
    const { bytes, at } = this;
    if (at < 0) return;
    for (let i = 0; i < expected.length; i++) {
      if (bytes[at + i] === expected[i]) continue;
      this.at = -1;
      return;
    }
    this.at = at + expected.length;
  }

  /** Passes over exactly these bytes if they are there; says whether they were. */
  optional(expected: Uint8Array): boolean {
    const { at } = this;
    if (at < 0) return false;
    this.literal(expected);
    if (this.at >= 0) return true;
    this.at = at;
    return false;
  }

  /** Passes over one of these. */
  oneOf(choices: readonly Uint8Array[]): void {
    const { at } = this;
    if (at < 0) return;
    for (const choice of choices) if (this.optional(choice)) return;
    this.at = -1;
  }

  boolean(): void {
    const found = this.at < 0 ? undefined : this.bytes[this.at];
    this.at = found === 0xf4 || found === 0xf5 ? this.at + 1 : -1;
  }

  /** Passes over `size` bytes; gives where they begin. */
  skip(size: number): number {
    const { at } = this;
    this.at = at >= 0 && at + size <= this.bytes.length ? at + size : -1;
    return at;
  }

  /** A number in the shortest form, of the major type whose heads begin at `base`; up to 2^53-1. */
  head(base: number): number {
    const { bytes, at } = this;
    const info = (bytes[at] ?? 0xff) - base;
    if (at < 0 || info < 0 || info > 27) return this.#fail();
    this.at = at + 1;
    if (info < 24) return info;
    const width = 1 << (info - 24);
    let value = 0;
    for (let i = 1; i <= width; i++) value = value * 256 + (bytes[at + i] ?? Number.NaN);
    if (!(value >= (LEAST[info - 24] as number) && value <= Number.MAX_SAFE_INTEGER)) return this.#fail();
    this.at = at + 1 + width;
    return value;
  }

  /** Passes over ASCII text. Other text may not be canonical, which takes more than a look at its bytes. */
  text(): void {
    const size = this.head(0x60);
    const start = this.skip(size);
    for (let i = start; i < this.at; i++) {
      if ((this.bytes[i] as number) <= 0x7f) continue;
      this.at = -1;
    }
  }

  #fail(): number {
    this.at = -1;
    return 0;
  }
}
