/**
 * What tokens there are, answered from the views.
 *
 * Imports types only. The facade and the doors call it; `sqlite-tokens.ts` implements it over the tables of `tokens-view.ts`.
 */

import type { Scope } from '../access/scopes.js';

/** One token, without its secret. */
export interface TokenRecord {
  /** Public: it stands in the token's text, and in the events of what the token does, as `token:<id>`. */
  id: string;
  /** Whom it is for. */
  holder: string;
  scopes: readonly Scope[];
  /** The only namespaces it is for; absent: no bound. */
  namespaces?: readonly string[];
  /** When it stops counting; milliseconds since 1970 UTC. Absent: never. */
  expires?: number;
  /** Requests a minute; absent: no bound. */
  rate?: number;
  /** Bytes of objects that may be there by it; absent: no bound. */
  quota?: number;
  /** Bytes of objects that are there by it; counted only where there is a quota. */
  used: number;
  /** Milliseconds since 1970 UTC. */
  createdAt: number;
  createdBy: string;
  /** Present once it has been revoked. */
  revoked?: {
    /** Milliseconds since 1970 UTC. */
    time: number;
    actor: string;
    reason?: string;
  };
}

/** A token with what it is recognised by. */
export interface KnownToken {
  record: TokenRecord;
  /** SHA-256 of its text. */
  hash: Uint8Array;
}

/** Which tokens to list. */
export interface TokenQuery {
  /** From the page before. */
  cursor?: string;
  /** Records on the page at most, 1 to PAGE_SIZE_MAX; PAGE_SIZE_DEFAULT when absent. */
  limit?: number;
}

/** One page of tokens, ordered by id; those that have been revoked or have expired are among them. */
export interface TokenPage {
  tokens: TokenRecord[];
  /** Pass it to get the next page. Absent on the last page. */
  cursor?: string;
}

/** Questions about tokens. Every answer holds what was committed before the question. */
export interface TokenRegistry {
  /** One page of tokens. Throws AS_ERR_INVALID_ARGUMENT: limit. */
  list(query?: TokenQuery): Promise<TokenPage>;

  /** One token; undefined when there never was one of this id. */
  find(id: string): Promise<TokenRecord | undefined>;

  /** Tokens that can be used: not revoked, and not over at `time`. */
  usable(time: number): Promise<KnownToken[]>;
}
