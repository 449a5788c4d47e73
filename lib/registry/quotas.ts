/**
 * What can be asked about the quotas of namespaces: the rules, what each namespace takes, and which objects are its own already.
 *
 * Types only. `sqlite-quotas.ts` answers; the facade and the registry reader ask.
 */

import type { ContentAddress } from '../dataplane/spi.js';

/** A rule: what a namespace may take. At least one of `logical` and `physical` is there. */
export interface QuotaRecord {
  /** The namespace, or `*`: each that has no quota of its own. */
  namespace: string;
  /** Bytes of files, as its versions have them; absent: no bound. */
  logical?: number;
  /** Bytes of the objects that its versions need, each once; absent: no bound. */
  physical?: number;
  /** When it was set; milliseconds since 1970 UTC. */
  setAt: number;
  /** Who set it. */
  actor: string;
  /** The event. */
  seq: number;
  reason?: string;
}

/** What a namespace takes, in bytes. */
export interface NamespaceTake {
  /** Files of its versions, and what was uploaded for it and is in no package. */
  logical: number;
  /** Distinct objects that its versions need, and what was uploaded for it and is in no package. */
  physical: number;
  /** Of both: what was uploaded for it and is in no package. */
  waiting: number;
  /** Lengths of the uploads for it that have not ended, as far as they are known. */
  reserved: number;
}

/** Whose an object is: a version of the namespace needs it; or it was uploaded for it, and is in no package yet. */
export type Ownership = 'needed' | 'waiting';

export interface QuotaRegistry {
  /** Every rule, in the order of their namespaces. */
  quotas(): Promise<QuotaRecord[]>;

  /** What a namespace takes. */
  take(namespace: string): Promise<NamespaceTake>;

  /** For each of these objects, by its 32 bytes, whether it is live and the namespace's own. */
  owned(namespace: string, addresses: readonly Uint8Array[]): Promise<(Ownership | undefined)[]>;

  /** Bytes of the objects that a manifest needs, as the log says, and that no version of the namespace does. */
  lacking(namespace: string, manifest: ContentAddress): Promise<number>;

  /** Ids of uploads for namespaces that have not ended, as far as the log says. */
  uploads(): Promise<string[]>;
}
