/**
 * What tokens may store and namespaces may take: room for bytes is reserved before they are taken in, and given back when they are stored, which the log then
 * counts, or are not stored after all.
 *
 * Imports the contract's types, the text of actors, the registry's types, retention's name for all namespaces, and accounts. The facade makes one; whatever stores asks it. Why it is here and
 * not at the doors: docs/adr/0023; what counts for a namespace: docs/adr/0034.
 *
 * How much is taken, the views say (`lib/registry/tokens-view.ts`, `lib/registry/quotas-view.ts`). Only this process writes the log while the store is open, so
 * what is there and what is reserved here are all there is.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { TOKEN_ACTOR } from '../events/pseudonym.js';
import type { QuotaRegistry } from '../registry/quotas.js';
import { EVERYWHERE } from '../retention/policy.js';
import { PackageRoom } from './package-room.js';
import { Account, AccountHold, type Hold, JointHold, namespaceBound } from './quota-account.js';

/** An upload that has not ended: who opened it, what it is for, and how many bytes it has or is to have. */
export interface StandingUpload {
  id: string;
  actor: string | undefined;
  namespace: string | undefined;
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
  /** What namespaces may take, and do. */
  namespaces: Pick<QuotaRegistry, 'quotas' | 'take' | 'owned' | 'lacking'>;
}

/** The two bounds of a namespace. */
const BOUNDS = ['logical', 'physical'] as const;

/** What the bounds of a namespace are, in bytes. */
type Bounds = { readonly [bound in (typeof BOUNDS)[number]]?: number };

/** The accounts of a namespace. */
type NamespaceAccounts = { readonly [bound in (typeof BOUNDS)[number]]: Account };

export class Quotas {
  readonly #tokens = new Map<string, Account>();
  readonly #namespaces = new Map<string, NamespaceAccounts>();
  #rules: Promise<ReadonlyMap<string, Bounds>> | undefined;
  #uploads: Promise<Map<string, Hold>> | undefined;

  constructor(private readonly context: QuotasContext) {}

  /** Whether the log has to be asked what `actor` may store: only tokens are bounded. */
  mayBound(actor: string): boolean {
    return actor.startsWith(TOKEN_ACTOR);
  }

  /**
   * Room for what `actor` is about to store; undefined when nothing bounds it.
   *
   * @param namespace what it is for; it counts for that too, once it is stored
   */
  async hold(actor: string, namespace?: string): Promise<Hold | undefined> {
    const accounts = await this.#accounts(actor, namespace);
    if (accounts.length === 0) return undefined;
    await this.#standing(); // or the uploads of before a restart would not count
    return new JointHold(accounts.map((account) => new AccountHold(account)));
  }

  /**
   * Room for a version that `actor` is about to publish.
   *
   * @param namespace undefined: the version is there already, so that its namespace takes no more by it
   */
  async room(actor: string, namespace: string | undefined): Promise<PackageRoom> {
    const token = await this.#tokenAccount(actor);
    const accounts = namespace === undefined ? undefined : await this.#namespaceAccounts(namespace);
    const isBounded = await this.#refresh(accounts);
    if (token || isBounded) await this.#standing();
    return new PackageRoom({
      token: token && new AccountHold(token),
      ...(accounts && { logical: new AccountHold(accounts.logical), physical: new AccountHold(accounts.physical) }),
      ...(namespace !== undefined &&
        isBounded && { owned: (addresses) => this.context.namespaces.owned(namespace, addresses) }),
    });
  }

  /** Bytes of the objects of a manifest that a namespace does not need now. */
  lacking(namespace: string, manifest: ContentAddress): Promise<number> {
    return this.context.namespaces.lacking(namespace, manifest);
  }

  /** The rules have changed: what is on its way is bounded by the new ones. */
  async rulesChanged(): Promise<void> {
    this.#rules = undefined;
    const rules = await this.#currentRules();
    for (const [namespace, accounts] of this.#namespaces) {
      const rule = boundsOf(rules, namespace);
      for (const bound of BOUNDS) accounts[bound].rebound(rule[bound] ?? Number.POSITIVE_INFINITY);
    }
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
   * @param belongs bytes of the object, where it is for a namespace
   */
  async endUpload(id: string, stored = 0, belongs = 0): Promise<void> {
    const uploads = await this.#standing();
    uploads.get(id)?.release(stored, belongs);
    uploads.delete(id);
  }

  /** Every account that something counts for. */
  async #accounts(actor: string | undefined, namespace: string | undefined): Promise<Account[]> {
    const token = await this.#tokenAccount(actor);
    const accounts = namespace === undefined ? undefined : await this.#namespaceAccounts(namespace);
    await this.#refresh(accounts);
    return [token, accounts?.logical, accounts?.physical].filter((account) => account !== undefined);
  }

  /** What a namespace takes also grows by what nobody asks room for, such as an object that is undeleted: so it is counted each time. Gives whether anything bounds it. */
  async #refresh(accounts: NamespaceAccounts | undefined): Promise<boolean> {
    const bounded = BOUNDS.flatMap((bound) =>
      accounts && Number.isFinite(accounts[bound].limit) ? accounts[bound] : [],
    );
    await Promise.all(bounded.map((account) => account.refresh()));
    return bounded.length > 0;
  }

  async #tokenAccount(actor: string | undefined): Promise<Account | undefined> {
    if (actor === undefined || !this.mayBound(actor)) return undefined;
    const token = actor.slice(TOKEN_ACTOR.length);
    const known = this.#tokens.get(token);
    if (known !== undefined) return known;
    const limit = await this.context.limitOf(token);
    if (limit === undefined) return undefined;
    const account = this.#tokens.get(token) ?? new Account(tokenBounded(token, this.context), limit);
    this.#tokens.set(token, account);
    return account;
  }

  /** Also of a namespace without a quota: what is on its way when it gets one counts for it. */
  async #namespaceAccounts(namespace: string): Promise<NamespaceAccounts> {
    const known = this.#namespaces.get(namespace);
    if (known !== undefined) return known;
    const rule = boundsOf(await this.#currentRules(), namespace);
    const account = (bound: (typeof BOUNDS)[number]) =>
      new Account(namespaceBounded(namespace, bound, this.context), rule[bound] ?? Number.POSITIVE_INFINITY);
    const accounts = this.#namespaces.get(namespace) ?? { logical: account('logical'), physical: account('physical') };
    this.#namespaces.set(namespace, accounts);
    return accounts;
  }

  #currentRules(): Promise<ReadonlyMap<string, Bounds>> {
    this.#rules ??= this.context.namespaces
      .quotas()
      .then((rules) => new Map(rules.map((rule) => [rule.namespace, rule])))
      .catch((error: unknown) => {
        this.#rules = undefined;
        throw error;
      });
    return this.#rules;
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
    const rooms = new Map<string, Hold>();
    for (const { id, actor, namespace, size } of await this.context.standingUploads()) {
      const accounts = await this.#accounts(actor, namespace);
      if (accounts.length > 0) rooms.set(id, new JointHold(accounts.map((account) => new AccountHold(account, size))));
    }
    return rooms;
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

function boundsOf(rules: ReadonlyMap<string, Bounds>, namespace: string): Bounds {
  return rules.get(namespace) ?? rules.get(EVERYWHERE) ?? {};
}

function tokenBounded(token: string, context: QuotasContext) {
  return {
    what: `the quota of the token ${token}`,
    advice: 'Delete something, end uploads that wait, or ask for more.',
    details: { token },
    counts: 'stored',
    count: () => context.usedBy(token),
  } as const;
}

function namespaceBounded(namespace: string, bound: (typeof BOUNDS)[number], context: QuotasContext) {
  return {
    ...namespaceBound(namespace, bound),
    counts: 'belongs',
    count: async () => (await context.namespaces.take(namespace))[bound],
  } as const;
}
