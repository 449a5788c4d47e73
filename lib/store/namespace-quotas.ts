/**
 * What namespaces may take: the rules, set and removed. `Store.quotas` is one of these.
 *
 * Imports event kinds, the log's interface, the registry's types, errors and who reserves room. The facade makes one. Nothing is deleted by a rule: where a namespace takes more than
 * it may, nothing further comes in.
 */

import { ArtifactStoreError } from '../errors.js';
import { newEvent } from '../events/kinds.js';
import type { EventLog } from '../events/log.js';
import type { QuotaRecord, QuotaRegistry } from '../registry/quotas.js';
import { requireReason } from './checks.js';
import { QuotaReader } from './quota-reader.js';
import type { Quotas } from './quotas.js';
import { requirePolicyName } from './retention-reader.js';

/** What the facade lends. */
export interface NamespaceQuotasHost {
  log: EventLog;
  registry: QuotaRegistry;
  quotas: Pick<Quotas, 'rulesChanged'>;
  /** Who acts unless a call says otherwise. */
  actor: string;
  requireOpen(): void;
  /** Throws when the store cannot be written to. */
  requireWritable(): void;
}

/** What a namespace may take: at least one of the two. */
export interface QuotaOptions {
  /** Bytes of files, as its versions have them: what two versions have counts twice. */
  logical?: number;
  /** Bytes of the objects that its versions need, each once. */
  physical?: number;
  actor?: string;
  /** Up to REASON_LENGTH_MAX characters. */
  reason?: string;
}

export class NamespaceQuotas extends QuotaReader {
  readonly #host: NamespaceQuotasHost;

  constructor(host: NamespaceQuotasHost) {
    super(host.registry, () => host.requireOpen());
    this.#host = host;
  }

  /**
   * Sets what a namespace may take. It holds for all that is not yet stored, also for what is on its way.
   *
   * @param namespace a namespace, or `*`: each that has no quota of its own
   * @throws AS_ERR_INVALID_ARGUMENT: neither bound is given, or one is no number of bytes; AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async set(namespace: string, { logical, physical, actor, reason }: QuotaOptions): Promise<QuotaRecord> {
    this.#host.requireWritable();
    const subject = requirePolicyName(namespace);
    if (logical === undefined && physical === undefined)
      throw invalid('Neither bound is given. Give logical, physical, or both, in bytes.');
    for (const [bound, size] of Object.entries({ logical, physical })) {
      if (size === undefined || (Number.isSafeInteger(size) && size >= 0)) continue;
      throw invalid(`The ${bound} quota cannot be ${size}: give a number of bytes.`);
    }
    const facts = {
      ...(reason !== undefined && { reason: requireReason(reason) }),
      ...(logical !== undefined && { logical }),
      ...(physical !== undefined && { physical }),
    };
    await this.#host.log.append([newEvent('quota.set', actor ?? this.#host.actor, subject, facts)]);
    await this.#host.quotas.rulesChanged();
    return (await this.#find(subject)) as QuotaRecord;
  }

  /**
   * Takes a rule away: the namespace is under that of `*` then, if there is one.
   *
   * @returns the rule as it was
   * @throws AS_ERR_NOT_FOUND, AS_ERR_INVALID_ARGUMENT, AS_ERR_READ_ONLY, AS_ERR_CLOSED
   */
  async remove(namespace: string, { actor, reason }: { actor?: string; reason?: string } = {}): Promise<QuotaRecord> {
    this.#host.requireWritable();
    const subject = requirePolicyName(namespace);
    const found = await this.#find(subject);
    if (found === undefined) {
      const message = `"${subject}" has no quota of its own. "quota ls" lists those there are.`;
      throw new ArtifactStoreError('AS_ERR_NOT_FOUND', message, { namespace: subject });
    }
    const facts = reason === undefined ? {} : { reason: requireReason(reason) };
    await this.#host.log.append([newEvent('quota.removed', actor ?? this.#host.actor, subject, facts)]);
    await this.#host.quotas.rulesChanged();
    return found;
  }

  async #find(subject: string): Promise<QuotaRecord | undefined> {
    return (await this.registry.quotas()).find(({ namespace }) => namespace === subject);
  }
}

function invalid(message: string): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message);
}
