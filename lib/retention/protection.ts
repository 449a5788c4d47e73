/**
 * Who may forbid a deletion: the one question that is asked before anything is tombstoned, withdrawn or swept.
 *
 * Types, and the answer of a store without locks, holds or policies. Imports types and errors. The facade asks (`lib/store/lifecycle.ts`, `publish.ts`), under the
 * locks that keep the answer true until the event is written. What answers must look at the log's own time, never at a clock that can be set back.
 */

import type { ContentAddress } from '../dataplane/spi.js';
import { ArtifactStoreError } from '../errors.js';
import type { PackageVersion } from '../packages/name.js';
import type { Removable } from '../registry/lifecycle.js';

/**
 * What somebody is about to do: `retire` writes a tombstone, `sweep` removes bytes for good, `withdraw` takes a version of a package away, `erase` does the first two at once, on
 * legal demand.
 */
export type Deletion = 'retire' | 'sweep' | 'withdraw' | 'erase';

/** What forbids it. */
export interface Protector {
  /** A hold, a lock, or the rule of a policy. */
  kind: 'hold' | 'lock' | 'policy';
  /** Which: the id of a case, the name of a policy, or whatever people call it. */
  name: string;
  /** Until when, as far as that is known; milliseconds since 1970 UTC. */
  until?: number;
  /** Why, as the end of the sentence "it stays because …". */
  because: string;
}

/** What protects objects and versions. */
export interface Protection {
  /**
   * Those of the objects that must stay, each with the strongest of what protects it. Asked for up to some thousand objects at once, so it should cost few
   * questions to the registry.
   *
   * @param objects as they stand; nobody changes them until the answer has been acted upon
   * @param deletion of an `erase` only holds and locks are told: no policy forbids it
   * @param now the log's time, milliseconds since 1970 UTC
   */
  ofObjects(
    objects: readonly Removable[],
    deletion: Exclude<Deletion, 'withdraw'>,
    now: number,
  ): Promise<ReadonlyMap<ContentAddress, Protector>>;

  /** What keeps a version from being withdrawn; undefined when nothing does. */
  ofVersion(version: PackageVersion, now: number): Promise<Protector | undefined>;
}

/** Protects nothing. */
export const UNPROTECTED: Protection = {
  ofObjects: async () => new Map(),
  ofVersion: async () => undefined,
};

/** The refusal of a deletion that is forbidden. `what` is an object's address, or a version as `namespace/name@version`. */
export function isProtected(what: string, deletion: Deletion, protector: Protector): ArtifactStoreError {
  const { kind, name, until, because } = protector;
  const done = { retire: 'deleted', sweep: 'swept', withdraw: 'withdrawn', erase: 'erased' }[deletion];
  const end = until === undefined ? '' : ` until ${new Date(until).toISOString()}`;
  return new ArtifactStoreError(
    'AS_ERR_PROTECTED',
    `${what} cannot be ${done}${end}: it stays because ${because} (${kind} ${name}).`,
    { what, deletion, by: kind, name, ...(until !== undefined && { until }), because },
  );
}
