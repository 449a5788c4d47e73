/**
 * Room within one bound: how much is taken, as the log says, and how much is reserved for what is on its way.
 *
 * Imports errors. quotas.ts keeps the accounts, of tokens and of namespaces; what is known of one is exact or too large, never too small.
 */

import { ArtifactStoreError } from '../errors.js';

/** Room that somebody has reserved. Give it back with `release`, whatever happened. */
export interface Hold {
  /**
   * Reserves room for so many bytes in all; never less than before.
   *
   * @throws AS_ERR_QUOTA: there is not so much
   */
  growTo(size: number): Promise<void>;
  /** Reserves room for so many bytes more; fewer than none gives room back. Throws AS_ERR_QUOTA. */
  grow(size: number): Promise<void>;
  /**
   * @param stored bytes of it that the store did not have before: they count from here on, by the log, for whoever stored them
   * @param belongs bytes that are a namespace's from here on
   */
  release(stored?: number, belongs?: number): void;
}

/** Whose room it is. */
export interface Bounded {
  /** As in: so many bytes do not fit `what`. */
  readonly what: string;
  /** What those who have to make room can do. */
  readonly advice: string;
  /** Stand in the error. */
  readonly details: Readonly<Record<string, string>>;
  /** What is released counts as `stored`, or as `belongs`. */
  readonly counts: 'stored' | 'belongs';
  /** Bytes that are taken, as the log says now. */
  count(): Promise<number>;
}

export class Account {
  #limit: number;
  /** Bytes taken, at least; unknown, so without end, until they have been counted. */
  #used = Number.POSITIVE_INFINITY;
  #reserved = 0;
  /** The log is being asked. */
  #counting: Promise<void> | undefined;
  /** Bytes that were stored since it was asked. */
  #meanwhile = 0;

  /** @param limit bytes; infinite: no bound */
  constructor(
    readonly bounded: Bounded,
    limit: number,
  ) {
    this.#limit = limit;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Another bound from now on. What is taken is counted again, because without one nobody did. */
  rebound(limit: number): void {
    this.#limit = limit;
    this.#used = Number.POSITIVE_INFINITY;
  }

  /** Reserves room, or gives it back. Throws AS_ERR_QUOTA. */
  async reserve(size: number): Promise<void> {
    for (let isCounted = false; size > 0 && this.#used + this.#reserved + size > this.#limit; isCounted = true) {
      if (isCounted) throw this.#exceeded(size);
      await this.#count(); // something may have been deleted since
    }
    this.#reserved += size;
  }

  /** Reserves what there already is, whether there is room or not. */
  reserveStanding(size: number): void {
    this.#reserved += size;
  }

  /** @param taken bytes of what was reserved that count by the log now */
  release(reserved: number, taken: number): void {
    this.#reserved -= reserved;
    this.#used += taken;
    this.#meanwhile += taken;
  }

  /** Has the log say what is taken now. */
  refresh(): Promise<void> {
    return this.#count();
  }

  /** Asks the log. What is stored while it answers may be counted twice until the next time, and never not at all. */
  #count(): Promise<void> {
    this.#counting ??= (async () => {
      this.#meanwhile = 0;
      this.#used = (await this.bounded.count()) + this.#meanwhile;
    })().finally(() => {
      this.#counting = undefined;
    });
    return this.#counting;
  }

  #exceeded(size: number): ArtifactStoreError {
    return quotaExceeded(this.bounded, {
      quota: this.#limit,
      used: this.#used,
      reserved: this.#reserved,
      needed: size,
    });
  }
}

/** The error of what does not fit. */
export function quotaExceeded(
  { what, advice, details }: Pick<Bounded, 'what' | 'advice' | 'details'>,
  { quota, used, reserved, needed }: { quota: number; used: number; reserved: number; needed: number },
): ArtifactStoreError {
  const left = Math.max(quota - used - reserved, 0);
  const open = reserved === 0 ? '' : `, ${reserved} are reserved for what is on its way`;
  return new ArtifactStoreError(
    'AS_ERR_QUOTA',
    `${needed} more bytes do not fit ${what}: of its ${quota} bytes ${used} are taken${open}. ${advice}`,
    { ...details, quota, used, reserved, needed, left },
  );
}

/** The words for a bound of a namespace. */
export function namespaceBound(namespace: string, bound: 'logical' | 'physical') {
  return {
    what: `the ${bound} quota of the namespace "${namespace}"`,
    advice: 'Withdraw versions, end or delete what was uploaded for it, or ask for more.',
    details: { namespace, bound },
  } as const;
}

/** Room in one account. */
export class AccountHold implements Hold {
  #size = 0;

  /** @param standing bytes that it has already */
  constructor(
    private readonly account: Account,
    standing = 0,
  ) {
    this.#size = standing;
    account.reserveStanding(standing);
  }

  get size(): number {
    return this.#size;
  }

  async growTo(size: number): Promise<void> {
    if (size > this.#size) await this.grow(size - this.#size);
  }

  async grow(size: number): Promise<void> {
    await this.account.reserve(size);
    this.#size += size;
  }

  release(stored = 0, belongs = 0): void {
    this.account.release(this.#size, this.account.bounded.counts === 'stored' ? stored : belongs);
    this.#size = 0;
  }
}

/** Room in several accounts at once: all of them have it, or none. */
export class JointHold implements Hold {
  constructor(private readonly holds: readonly AccountHold[]) {}

  growTo(size: number): Promise<void> {
    return this.#each((hold) => Math.max(size - hold.size, 0));
  }

  grow(size: number): Promise<void> {
    return this.#each(() => size);
  }

  release(stored = 0, belongs = 0): void {
    for (const hold of this.holds) hold.release(stored, belongs);
  }

  async #each(growthOf: (hold: AccountHold) => number): Promise<void> {
    const grown: [AccountHold, number][] = [];
    try {
      for (const hold of this.holds) {
        const growth = growthOf(hold);
        await hold.grow(growth);
        grown.push([hold, growth]);
      }
    } catch (error) {
      for (const [hold, growth] of grown) await hold.grow(-growth);
      throw error;
    }
  }
}
