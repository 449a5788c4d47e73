/**
 * Tokens: the credentials by which a service knows who asks. Made, listed, revoked and recognised here.
 *
 * Imports the log's interface, event kinds, the registry's types, the text of tokens, scopes, limits and errors. The facade makes one and shows it as
 * `Store.tokens`. Why a plain hash is enough, and what a token of some namespaces may do: docs/adr/0013.
 *
 * All tokens that can be used are held in memory, so recognising one costs a hash. Only this process writes the log while the store is open, so what it
 * holds is always what the log says.
 */

import { timingSafeEqual } from 'node:crypto';
import { requireScopes, type Scope } from '../access/scopes.js';
import { makeToken, readToken } from '../access/token-text.js';
import { ArtifactStoreError } from '../errors.js';
import { newEvent } from '../events/kinds.js';
import type { EventLog } from '../events/log.js';
import { TOKEN_HOLDER_LENGTH_MAX, TOKEN_NAMESPACES_MAX, TOKEN_RATE_MAX, TOKENS_LIVE_MAX } from '../limits.js';
import { requireNamespace } from '../packages/name.js';
import type { KnownToken, TokenPage, TokenQuery, TokenRecord, TokenRegistry } from '../registry/tokens.js';

/** What the facade lends. */
export interface TokensContext {
  log: EventLog;
  registry: TokenRegistry;
  /** Who acts unless a call says otherwise. */
  actor: string;
  requireOpen(): void;
  /** Throws when the store cannot be written to. */
  requireWritable(): void;
}

/** What a token is to allow. */
export interface TokenGrant {
  /** Whom it is for: 1 to TOKEN_HOLDER_LENGTH_MAX characters. */
  holder: string;
  /** At least one. */
  scopes: readonly Scope[];
  /** The only namespaces it is for, at least one; absent: no bound. Not together with the scope `admin`. */
  namespaces?: readonly string[];
  /** When it stops counting; milliseconds since 1970 UTC. Absent: never. */
  expires?: number;
  /** Requests a minute, 1 to TOKEN_RATE_MAX; absent: no bound. */
  rate?: number;
  /** Bytes of objects that may be there by it; absent: no bound. */
  quota?: number;
}

/** A token just made. Its text is given this once and kept nowhere. */
export interface NewToken extends TokenRecord {
  token: string;
}

export class Tokens {
  #usable: Promise<Map<string, KnownToken>> | undefined;
  /** Creations under way. */
  #making = 0;

  constructor(private readonly context: TokensContext) {}

  /**
   * Makes a token.
   *
   * @throws AS_ERR_INVALID_ARGUMENT; AS_ERR_LIMIT: TOKENS_LIVE_MAX of them can be used already
   * @throws AS_ERR_READ_ONLY, AS_ERR_CLOSED, and what the log throws
   */
  async create(grant: TokenGrant, options: { actor?: string } = {}): Promise<NewToken> {
    this.context.requireWritable();
    const { actor = this.context.actor } = options;
    const facts = checkedGrant(grant);
    const usable = await this.#load();
    this.#making++;
    try {
      if (usable.size + this.#making > TOKENS_LIVE_MAX) dropExpired(usable);
      if (usable.size + this.#making > TOKENS_LIVE_MAX) throw tooMany();
      const { id, text, hash } = makeToken();
      const [event] = await this.context.log.append([newEvent('token.created', actor, id, { ...facts, hash })]);
      const record = { id, ...facts, used: 0, createdAt: event?.time ?? Date.now(), createdBy: actor };
      usable.set(id, { record, hash });
      return { ...record, token: text };
    } finally {
      this.#making--;
    }
  }

  /** One page of tokens, ordered by id. Throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED. */
  async list(query: TokenQuery = {}): Promise<TokenPage> {
    this.context.requireOpen();
    return this.context.registry.list(query);
  }

  /** One token. Throws AS_ERR_NOT_FOUND, AS_ERR_CLOSED. */
  async find(id: string): Promise<TokenRecord> {
    this.context.requireOpen();
    const record = await this.context.registry.find(id);
    if (record !== undefined) return record;
    throw new ArtifactStoreError('AS_ERR_NOT_FOUND', `There is no token "${id}". List those there are.`, { id });
  }

  /**
   * Ends a token: when this resolves, nobody can use it any more. One that has been revoked already stays as it is.
   *
   * @throws AS_ERR_NOT_FOUND, AS_ERR_READ_ONLY, AS_ERR_CLOSED, and what the log throws
   */
  async revoke(id: string, options: { actor?: string; reason?: string } = {}): Promise<TokenRecord> {
    this.context.requireWritable();
    const { actor = this.context.actor, reason } = options;
    const known = await this.find(id);
    if (known.revoked !== undefined) return known;
    const usable = await this.#load();
    const facts = reason === undefined ? {} : { reason };
    await this.context.log.append([newEvent('token.revoked', actor, id, facts)]);
    usable.delete(id);
    return this.find(id);
  }

  /**
   * The token that has this text.
   *
   * @throws AS_ERR_UNAUTHENTICATED: not a token, or one that is unknown, over or revoked; AS_ERR_CLOSED
   */
  async authenticate(text: string): Promise<TokenRecord> {
    this.context.requireOpen();
    const read = readToken(text);
    if (read === undefined) {
      throw unauthenticated('This is not a token, or not the whole of one: its checksum does not fit. Copy it again.');
    }
    const usable = await this.#load();
    const known = usable.get(read.id);
    if (known !== undefined && timingSafeEqual(known.hash, read.hash)) {
      if (!isOver(known.record)) return known.record;
      usable.delete(read.id);
    }
    throw unauthenticated('The token is unknown, has expired or was revoked. Ask for another.');
  }

  /** Bytes that may be there by a token that can be used; undefined where nothing bounds it. */
  async quotaOf(id: string): Promise<number | undefined> {
    return (await this.#load()).get(id)?.record.quota;
  }

  /** The tokens that can be used, by id, read once. */
  #load(): Promise<Map<string, KnownToken>> {
    this.#usable ??= this.context.registry.usable(Date.now()).then(
      (tokens) => new Map(tokens.map((known) => [known.record.id, known])),
      (error: unknown) => {
        this.#usable = undefined;
        throw error;
      },
    );
    return this.#usable;
  }
}

/** The grant as it is recorded. Throws AS_ERR_INVALID_ARGUMENT. */
function checkedGrant({ holder, scopes, namespaces, expires, rate, quota }: TokenGrant) {
  const name = holder.normalize('NFC').trim();
  if (name === '' || name.length > TOKEN_HOLDER_LENGTH_MAX) {
    throw invalid(`its holder "${holder}" is not a name of 1 to ${TOKEN_HOLDER_LENGTH_MAX} characters`);
  }
  const checked = requireScopes(scopes);
  if (namespaces?.length === 0 || (namespaces?.length ?? 0) > TOKEN_NAMESPACES_MAX) {
    throw invalid(`it is for ${namespaces?.length} namespaces; give 1 to ${TOKEN_NAMESPACES_MAX}, or none for all`);
  }
  if (namespaces !== undefined && checked.includes('admin')) {
    throw invalid('"admin" concerns the whole service, so it cannot be bounded to namespaces');
  }
  if (expires !== undefined && !(Number.isSafeInteger(expires) && expires > Date.now())) {
    throw invalid(`it would end at ${expires}, which is not a time to come, in milliseconds since 1970`);
  }
  if (rate !== undefined && !(Number.isInteger(rate) && rate >= 1 && rate <= TOKEN_RATE_MAX)) {
    throw invalid(`its rate is ${rate}; give 1 to ${TOKEN_RATE_MAX} requests a minute`);
  }
  if (quota !== undefined && !(Number.isSafeInteger(quota) && quota >= 0)) {
    throw invalid(`its quota is ${quota}; give a number of bytes`);
  }
  return {
    holder: name,
    scopes: checked,
    ...(namespaces !== undefined && { namespaces: [...new Set(namespaces.map(requireNamespace))].sort() }),
    ...(expires !== undefined && { expires }),
    ...(rate !== undefined && { rate }),
    ...(quota !== undefined && { quota }),
  };
}

function isOver({ expires = Number.POSITIVE_INFINITY }: TokenRecord): boolean {
  return expires <= Date.now();
}

function dropExpired(usable: Map<string, KnownToken>): void {
  for (const [id, { record }] of usable) if (isOver(record)) usable.delete(id);
}

function tooMany(): ArtifactStoreError {
  const message = `There are ${TOKENS_LIVE_MAX} tokens that can be used, as many as may be. Revoke those that nobody needs, then try again.`;
  return new ArtifactStoreError('AS_ERR_LIMIT', message, { limit: TOKENS_LIVE_MAX });
}

function unauthenticated(message: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_UNAUTHENTICATED', message);
}

function invalid(what: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `The token cannot be made: ${what}.`);
}
