/**
 * What tokens may store: room for bytes is reserved before they are taken in, and given back when they are stored, which the log then counts, or
 * are not stored after all.
 *
 * Imports the text of actors, errors and uploads' types. The facade makes one; whatever stores asks it. Why it is here and not at the doors, and what
 * counts: docs/adr/0023.
 *
 * How much is stored by a token, the view of tokens says (`lib/registry/tokens-view.ts`). Only this process writes the log while the store is open, so
 * what is there and what is reserved here are all there is.
 */

import { ArtifactStoreError } from '../errors.js';
import { TOKEN_ACTOR } from '../registry/tokens-view.js';

/** Room that somebody has reserved. Give it back with `release`, whatever happened. */
export interface Hold {
  /**
   * Reserves room for so many bytes in all; never less than before.
   *
   * @throws AS_ERR_QUOTA: there is not so much
   */
  growTo(size: number): Promise<void>;
  /** Reserves room for so many bytes more. Throws AS_ERR_QUOTA. */
  grow(size: number): Promise<void>;
  /** @param stored bytes of it that are stored now, and count from here on by the log */
  release(stored?: number): void;
}

/** An upload that has not ended: who opened it, and how many bytes it has or is to have. */
export interface StandingUpload {
  id: string;
  actor: string | undefined;
  size: number;
}

/** What the facade lends. */
export interface QuotasContext {
  /** Bytes that a token may have stored; undefined: no bound. */
  limitOf(token: string): Promise<number | undefined>;
  /** Bytes that are stored by it, as the log says now. */
  usedBy(token: string): Promise<number>;
  /** Every upload that has not ended. */
  standingUploads(): Promise<StandingUpload[]>;
}

/** What is known of a token's room. */
interface Account {
  readonly token: string;
  readonly limit: number;
  /** Bytes stored, at least; unknown, so without end, until they have been counted. */
  used: number;
  reserved: number;
  /** The log is being asked. */
  counting?: Promise<void> | undefined;
  /** Bytes that were stored since it was asked. */
  meanwhile: number;
}

export class Quotas {
  readonly #accounts = new Map<string, Account>();
  #uploads: Promise<Map<string, Hold>> | undefined;

  constructor(private readonly context: QuotasContext) {}

  /** Whether the log has to be asked what `actor` may store: only tokens are bounded. */
  mayBound(actor: string): boolean {
    return actor.startsWith(TOKEN_ACTOR);
  }

  /** Room for what `actor` is about to store; undefined when nothing bounds it. */
  async hold(actor: string): Promise<Hold | undefined> {
    const account = await this.#accountOf(actor);
    if (account === undefined) return undefined;
    await this.#standing(); // or the uploads of before a restart would not count
    return new AccountHold(account, this.context);
  }

  /** The room of an upload that has not ended; undefined when nothing bounds it. */
  async ofUpload(id: string): Promise<Hold | undefined> {
    return (await this.#standing()).get(id);
  }

  /** Keeps the room that an upload has, from its opening until `endUpload`. */
  async keepForUpload(id: string, hold: Hold): Promise<void> {
    (await this.#standing()).set(id, hold);
  }

  /**
   * An upload has ended, with or without an object.
   *
   * @param stored bytes that the store did not have before
   */
  async endUpload(id: string, stored = 0): Promise<void> {
    const uploads = await this.#standing();
    uploads.get(id)?.release(stored);
    uploads.delete(id);
  }

  async #accountOf(actor: string | undefined): Promise<Account | undefined> {
    if (actor === undefined || !this.mayBound(actor)) return undefined;
    const token = actor.slice(TOKEN_ACTOR.length);
    const known = this.#accounts.get(token);
    if (known !== undefined) return known;
    const limit = await this.context.limitOf(token);
    if (limit === undefined) return undefined;
    const account = this.#accounts.get(token) ?? {
      token,
      limit,
      used: Number.POSITIVE_INFINITY,
      reserved: 0,
      meanwhile: 0,
    };
    this.#accounts.set(token, account);
    return account;
  }

  /** The rooms of uploads, those that were opened before the store was: they have what they have, even where that is beyond the quota. */
  #standing(): Promise<Map<string, Hold>> {
    this.#uploads ??= this.#load().catch((error: unknown) => {
      this.#uploads = undefined;
      throw error;
    });
    return this.#uploads;
  }

  async #load(): Promise<Map<string, Hold>> {
    const holds = new Map<string, Hold>();
    for (const { id, actor, size } of await this.context.standingUploads()) {
      const account = await this.#accountOf(actor);
      if (account !== undefined) holds.set(id, new AccountHold(account, this.context, size));
    }
    return holds;
  }
}

class AccountHold implements Hold {
  #size = 0;

  /** @param size bytes that it has already, whether there is room or not */
  constructor(
    private readonly account: Account,
    private readonly context: QuotasContext,
    size = 0,
  ) {
    this.#size = size;
    account.reserved += size;
  }

  async growTo(size: number): Promise<void> {
    if (size > this.#size) await this.grow(size - this.#size);
  }

  async grow(size: number): Promise<void> {
    const { account } = this;
    for (let isCounted = false; account.used + account.reserved + size > account.limit; isCounted = true) {
      if (isCounted) throw exceeded(account, size);
      await this.#count(); // something may have been deleted since
    }
    account.reserved += size;
    this.#size += size;
  }

  release(stored = 0): void {
    this.account.reserved -= this.#size;
    this.account.used += stored;
    this.account.meanwhile += stored;
    this.#size = 0;
  }

  /** Asks the log. What is stored while it answers may be counted twice until the next time, and never not at all. */
  #count(): Promise<void> {
    const { account } = this;
    account.counting ??= (async () => {
      account.meanwhile = 0;
      account.used = (await this.context.usedBy(account.token)) + account.meanwhile;
    })().finally(() => {
      account.counting = undefined;
    });
    return account.counting;
  }
}

/** The source, room being made for each part of it before it is handed on. */
export async function* metered(
  source: AsyncIterable<Uint8Array>,
  makeRoom: (size: number) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    await makeRoom(chunk.byteLength);
    yield chunk;
  }
}

function exceeded({ token, limit, used, reserved }: Account, size: number): ArtifactStoreError {
  const left = Math.max(limit - used - reserved, 0);
  const open = reserved === 0 ? '' : `, ${reserved} are reserved for what is on its way`;
  return new ArtifactStoreError(
    'AS_ERR_QUOTA',
    `${size} more bytes do not fit the quota of the token ${token}: of its ${limit} bytes ${used} are stored${open}. Delete something, end uploads that wait, or ask for more.`,
    { token, quota: limit, used, reserved, needed: size, left },
  );
}
