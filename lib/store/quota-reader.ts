/**
 * What can be asked about the quotas of namespaces without changing anything.
 *
 * Imports names and the registry's types. `NamespaceQuotas` is one of these, and adds what decides; the registry reader shows one as its own.
 */

import { requireNamespace } from '../packages/name.js';
import type { NamespaceTake, QuotaRecord, QuotaRegistry } from '../registry/quotas.js';
import { EVERYWHERE } from '../retention/policy.js';

/** How a namespace stands. */
export interface QuotaStatus {
  namespace: string;
  /** Its own rule, or that of `*`; absent: nothing bounds it. */
  quota?: QuotaRecord;
  /** What it takes; absent for `*`, which is no namespace. */
  taken?: NamespaceTake;
}

export class QuotaReader {
  constructor(
    protected readonly registry: QuotaRegistry,
    protected readonly requireOpen: () => void,
  ) {}

  /** Every rule, in the order of their namespaces, with what these take. Throws AS_ERR_CLOSED. */
  async list(): Promise<QuotaStatus[]> {
    this.requireOpen();
    const status = async (quota: QuotaRecord): Promise<QuotaStatus> => {
      const { namespace } = quota;
      return { namespace, quota, ...(namespace !== EVERYWHERE && { taken: await this.registry.take(namespace) }) };
    };
    return Promise.all((await this.registry.quotas()).map(status));
  }

  /** What bounds a namespace, and what it takes. Throws AS_ERR_INVALID_ARGUMENT, AS_ERR_CLOSED. */
  async status(namespace: string): Promise<QuotaStatus> {
    this.requireOpen();
    requireNamespace(namespace);
    const [rules, taken] = await Promise.all([this.registry.quotas(), this.registry.take(namespace)]);
    const rule = (name: string) => rules.find((one) => one.namespace === name);
    const quota = rule(namespace) ?? rule(EVERYWHERE);
    return { namespace, ...(quota && { quota }), taken };
  }
}
