/**
 * Small reads from a daemon: as many as wait share one request.
 *
 * Imports the connection, the gathering of work, the columns and limits. Called by the client.
 */

import { digestBytes } from '../../digest-name.js';
import {
  READ_GATHERED_SIZE_MAX,
  READS_GATHERED_MAX,
  REMOTE_BATCHES_IN_FLIGHT,
  REMOTE_READS_SIZE_MAX,
} from '../../limits.js';
import { Gather } from '../backend/gather.js';
import { Permits } from '../inproc/permits.js';
import type { ByteRange, ContentAddress } from '../spi.js';
import { readReadOutcomes, readsValue, type SmallRead, sum } from './columns.js';
import type { Connection } from './connection.js';
import { malformed } from './frames.js';

type Outcome = Uint8Array | Error;

export class SmallReads {
  readonly #permits = new Permits(REMOTE_BATCHES_IN_FLIGHT);
  readonly #gather: Gather<SmallRead, readonly Outcome[], Outcome>;

  constructor(private readonly connection: Connection) {
    this.#gather = new Gather({
      countMax: READS_GATHERED_MAX,
      weightMax: REMOTE_READS_SIZE_MAX,
      run: async (take) => {
        await undefined; // what is asked for together goes together
        return this.#permits.run(() => this.#send(take()));
      },
      outcome: (outcomes, index) => outcomes[index],
      error: (cause) => cause,
    });
  }

  /** Bytes of an object in one piece; undefined when the range ends too far on. Rejects as `serveObject` does. */
  read(address: ContentAddress, range: ByteRange): Promise<Uint8Array> | undefined {
    return range.end > READ_GATHERED_SIZE_MAX ? undefined : this.#read({ address: digestBytes(address), range });
  }

  async #read(read: SmallRead): Promise<Uint8Array> {
    const outcome = await this.#gather.add(read, read.range.end - read.range.start);
    if (outcome instanceof Error) throw outcome;
    return outcome;
  }

  #send(reads: readonly SmallRead[]): Promise<readonly Outcome[]> {
    const request = { operation: 'serve-many', head: readsValue(reads) } as const;
    return this.connection.ask(request, async ({ body }) => {
      const { sizes, errors } = readReadOutcomes(await body.head(), reads.length);
      const asked = reads.map(({ range }, n) => (errors.has(n) ? 0 : range.end - range.start));
      if (asked.some((size, n) => size !== sizes[n])) throw malformed('reads have other sizes than were asked for');
      const bytes = await body.bytes(sum(sizes));
      await body.end();
      let at = 0;
      return sizes.map((size, n) => {
        at += size;
        return errors.get(n) ?? bytes.slice(at - size, at); // a chunk is the reader's to keep, without the others
      });
    });
  }
}
