/**
 * Tokens of a service, for who administers it. The verbs of `Store.tokens`, over HTTP.
 *
 * Imports types and this folder. `StoreClient.tokens` is one of these.
 */

import type { TokenPage, TokenQuery, TokenRecord } from '../registry/tokens.js';
import type { NewToken, TokenGrant } from '../store/tokens.js';
import { type Service, segment } from './service.js';

export class ClientTokens {
  constructor(
    private readonly service: Service,
    private readonly requireWritable: () => void,
  ) {}

  /** As `Tokens.create`. It is sent once: one whose answer is lost was made, and `list` shows it. */
  async create(grant: TokenGrant): Promise<NewToken> {
    this.requireWritable();
    const headers = { 'content-type': 'application/json' };
    return this.service.json({ method: 'POST', path: '/v1/tokens', headers, body: JSON.stringify(grant) });
  }

  /** As `Tokens.list`. */
  async list(query: TokenQuery = {}): Promise<TokenPage> {
    const call = { method: 'GET', path: '/v1/tokens', query: { ...query } } as const;
    const { tokens, next } = await this.service.json<{ tokens: TokenRecord[]; next?: string }>(call);
    return { tokens, ...(next !== undefined && { cursor: next }) };
  }

  /** As `Tokens.find`. */
  async find(id: string): Promise<TokenRecord> {
    return this.service.json({ method: 'GET', path: `/v1/tokens/${segment(id)}` });
  }

  /** As `Tokens.revoke`. */
  async revoke(id: string, { reason }: { reason?: string } = {}): Promise<TokenRecord> {
    this.requireWritable();
    return this.service.json({ method: 'DELETE', path: `/v1/tokens/${segment(id)}`, query: { reason } });
  }
}
