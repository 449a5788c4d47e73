/**
 * What can be asked of a store, wherever it is: the verbs that the store in a folder and the client of a service share.
 *
 * Types only. The command line works with these and nothing else of a store, so that its commands do not know where it is; lib/client implements them
 * over HTTP. Results are those of the library; where a service tells less than a log has (of an event its place, not its bytes), the type says so.
 */

import type { FileList } from '../dataplane/spi.js';
import type { StoredEvent } from '../events/log.js';
import type { PastRegistry } from '../registry/past-registry.js';
import type { TokenRegistry } from '../registry/tokens.js';
import type { PutManyOptions, PutOptions, PutResult, PutResults, Scrub, ScrubOptions, Store } from '../store.js';
import type { NamespaceQuotas } from './namespace-quotas.js';
import type { Packages, PushOptions, PushResult } from './packages.js';
import type { Restored, Withdrawn, WithdrawOptions } from './publish.js';
import type { QuotaReader } from './quota-reader.js';
import type { RegistryReader } from './registry-reader.js';
import type { Retention } from './retention.js';
import type { RetentionReader } from './retention-reader.js';
import type { PutSource } from './source.js';
import type { Tokens } from './tokens.js';

/** Where an event stands in the log. */
export type EventPlace = Pick<StoredEvent, 'seq' | 'id' | 'time'>;

/** What `put` did. */
export interface Stored extends Omit<PutResult, 'event' | 'cbor'> {
  /** The event that records it. */
  readonly event: EventPlace;
}

/** What a push did. */
export interface Pushed extends Omit<PushResult, 'events'> {
  /** What was written to the log; empty when everything was so already. */
  readonly events: readonly (EventPlace & Pick<StoredEvent, 'kind'>)[];
}

/** What a withdrawal did. */
export interface WithdrawnVersion extends Omit<Withdrawn, 'events'> {
  readonly events: readonly (EventPlace & Pick<StoredEvent, 'kind'>)[];
}

/** What bringing a version back did. */
export interface RestoredVersion extends Omit<Restored, 'events'> {
  readonly events: readonly (EventPlace & Pick<StoredEvent, 'kind'>)[];
}

/** A verification of many objects: iterate it once. */
export type ScrubRun = Pick<Scrub, 'count' | 'size' | 'seed' | 'began' | typeof Symbol.asyncIterator>;

/** Packages. */
export interface PackageVerbs
  extends Pick<
    Packages,
    | 'pull'
    | 'open'
    | 'openFile'
    | 'diff'
    | 'get'
    | 'ref'
    | 'list'
    | 'refs'
    | 'moveRef'
    | 'removeRef'
    | 'containing'
    | 'usage'
  > {
  /** As `Packages.push`. */
  push(source: string, name: string, options?: PushOptions): Promise<Pushed>;
  /** As `Packages.withdraw`. */
  withdraw(name: string, options?: WithdrawOptions): Promise<WithdrawnVersion>;
  /** As `Packages.undelete`. */
  undelete(name: string, options?: { reason?: string }): Promise<RestoredVersion>;
}

/** How long things stay. */
export interface RetentionVerbs
  extends RetentionQuestions,
    Pick<
      Retention,
      'setPolicy' | 'removePolicy' | 'classify' | 'hold' | 'release' | 'lock' | 'planRun' | 'showPlan' | 'apply'
    > {}

/** What can be asked about it without the bytes. */
export type RetentionQuestions = Pick<RetentionReader, 'policies' | 'policy' | 'holds' | 'locks' | 'status' | 'why'>;

/** What namespaces may take. */
export type QuotaVerbs = Pick<NamespaceQuotas, 'set' | 'remove' | 'list' | 'status'>;

/** A store that is open. */
export interface StoreVerbs
  extends Pick<
    Store,
    | 'readOnly'
    | 'get'
    | 'stat'
    | 'missing'
    | 'list'
    | 'usage'
    | 'verify'
    | 'delete'
    | 'undelete'
    | 'sweep'
    | 'reconcile'
    | 'erase'
    | 'tier'
    | 'events'
    | 'follow'
    | 'explain'
    | 'seqAt'
    | 'health'
    | 'close'
  > {
  /** Folder of a store on this machine. */
  readonly path?: string;
  readonly packages: PackageVerbs;
  readonly tokens: Pick<Tokens, 'create' | 'list' | 'revoke'>;
  readonly retention: RetentionVerbs;
  readonly quotas: QuotaVerbs;
  /** As `Store.put`. */
  put(source: PutSource, options?: PutOptions): Promise<Stored>;
  /** As `Store.putMany`. */
  putMany(
    sources: readonly PutSource[] | FileList,
    options?: PutManyOptions,
  ): Promise<PutResults | readonly (Stored | Error)[]>;
  /** As `Store.scrub`. */
  scrub(options?: ScrubOptions): Promise<ScrubRun>;
}

/** A registry as it was. */
export type PastVerbs = Pick<PastRegistry, 'stat' | 'list' | 'close'>;

/** What is known of a store, without its bytes. */
export interface RegistryVerbs
  extends Pick<RegistryReader, 'stat' | 'list' | 'events' | 'follow' | 'explain' | 'subjectOf' | 'seqAt' | 'close'> {
  readonly packages: Pick<Packages, 'list' | 'refs' | 'containing' | 'usage'>;
  readonly tokens: Pick<TokenRegistry, 'list'>;
  readonly retention: RetentionQuestions;
  readonly quotas: Pick<QuotaReader, 'list' | 'status'>;
  /** As `RegistryReader.at`. */
  at(...moment: Parameters<RegistryReader['at']>): Promise<PastVerbs>;
}
