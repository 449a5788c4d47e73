/**
 * What namespaces may take at a service. The verbs of `Store.quotas`, over HTTP.
 *
 * Imports types and this folder. `StoreClient.quotas` is one of these. Who acts is who the service takes the client for.
 */

import type { QuotaRecord } from '../registry/quotas.js';
import type { QuotaOptions } from '../store/namespace-quotas.js';
import type { QuotaStatus } from '../store/quota-reader.js';
import type { QuotaVerbs } from '../store/verbs.js';
import { type Service, segment } from './service.js';

export class ClientQuotas implements QuotaVerbs {
  constructor(
    private readonly service: Service,
    private readonly requireWritable: () => void,
  ) {}

  /** As `NamespaceQuotas.set`. */
  async set(namespace: string, { logical, physical, reason }: QuotaOptions): Promise<QuotaRecord> {
    this.requireWritable();
    const body = JSON.stringify({ logical, physical, reason });
    const headers = { 'content-type': 'application/json' };
    return this.service.json({ method: 'PUT', path: `/v1/quotas/${segment(namespace)}`, headers, body });
  }

  /** As `NamespaceQuotas.remove`. */
  async remove(namespace: string, { reason }: { reason?: string } = {}): Promise<QuotaRecord> {
    this.requireWritable();
    return this.service.json({ method: 'DELETE', path: `/v1/quotas/${segment(namespace)}`, query: { reason } });
  }

  /** As `QuotaReader.list`. */
  async list(): Promise<QuotaStatus[]> {
    return (await this.service.json<{ quotas: QuotaStatus[] }>({ method: 'GET', path: '/v1/quotas' })).quotas;
  }

  /** As `QuotaReader.status`. */
  async status(namespace: string): Promise<QuotaStatus> {
    return this.service.json({ method: 'GET', path: `/v1/quotas/${segment(namespace)}` });
  }
}
