/**
 * Objects by name: what is known of one, and its bytes, brought back from the cold tier where that is configured.
 *
 * Imports types, checks, and what reads, remembers and restores. Made by composition.ts.
 */

import type { ObjectRecord, Registry } from '../registry/registry.js';
import { requireRange } from './checks.js';
import type { KnownObjects } from './known-objects.js';
import type { Presence } from './presence.js';
import type { GetOptions, Reads } from './reads.js';
import type { StoredObject } from './stored-object.js';
import type { Tiers } from './tiers.js';

/** What finding and reading needs of the store around it. */
export interface ObjectsHost {
  /** Who acts unless a call says otherwise. */
  readonly actor: string;
  readonly registry: Pick<Registry, 'resolve'>;
  readonly known: KnownObjects;
  readonly reads: Reads;
  readonly presence: Presence;
  /** Where there is a cold tier. */
  readonly tiers: Tiers | undefined;
}

/** Each of its questions is described where the facade passes it on. */
export class Objects {
  readonly #host: ObjectsHost;
  /** Asks the registry, and throws as it does. */
  readonly resolve: (name: string) => Promise<ObjectRecord>;

  constructor(host: ObjectsHost) {
    this.#host = host;
    this.resolve = (name) => host.registry.resolve(name);
  }

  stat(name: string): ObjectRecord | Promise<ObjectRecord> {
    return this.#host.known.get(name, this.resolve);
  }

  async get(name: string, options: GetOptions = {}): Promise<StoredObject> {
    const { reads, presence, tiers, actor } = this.#host;
    const known = this.stat(name);
    const record = known instanceof Promise ? await known : known;
    if (options.restore === false || record.state !== 'live' || !tiers?.restores(record))
      return reads.open(record, options);
    requireRange(options.range ?? { start: 0, end: 0 }, record);
    await tiers.restore(record.blake3, options.actor ?? actor);
    const now = await presence.record(record.blake3);
    return reads.open(now, options, !tiers.restores(now));
  }

  getKnown(name: string, options: GetOptions): StoredObject | undefined {
    const { known, reads, tiers } = this.#host;
    const record = known.peek(name);
    if (record === undefined || (options.restore !== false && tiers?.restores(record))) return undefined;
    return reads.open(record, options);
  }

  async outboard(name: string, options: GetOptions): Promise<AsyncIterable<Uint8Array>> {
    return this.#host.reads.outboard(await this.stat(name), options);
  }
}
