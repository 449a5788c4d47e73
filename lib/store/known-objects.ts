/**
 * What the registry said of objects that are read again and again: a question to the database costs several times what reading a small object does.
 *
 * Imports types, digest names and limits. Used by composition.ts, which has it told of every event before whoever caused it is answered.
 */

import type { IngestTable } from '../dataplane/spi.js';
import { formatBlake3, isDigest } from '../digest-name.js';
import type { EventLog, NewEvent } from '../events/log.js';
import { KNOWN_OBJECTS_MAX } from '../limits.js';
import type { ObjectRecord } from '../registry/registry.js';

/** Records of objects that are live, by each of their digests. Those learnt first are forgotten first. */
export class KnownObjects {
  readonly #records = new Map<string, ObjectRecord>();
  /** Questions under way. */
  #asking = 0;
  /** Happenings so far, and when something last happened to an object; the latter kept only while a question is old enough to care. */
  #clock = 0;
  readonly #changes = new Map<string, number>();
  /** The newest happening that `#changes` may not have. */
  #unnoted = 0;

  /**
   * The record of an object.
   *
   * @param name any that `ask` takes; only whole digests are remembered, because a prefix may name another object tomorrow
   * @param ask asks the registry
   */
  get(name: string, ask: (name: string) => Promise<ObjectRecord>): ObjectRecord | Promise<ObjectRecord> {
    return this.#records.get(name) ?? this.#learn(name, ask);
  }

  /** The record of an object, if it is remembered. */
  peek(name: string): ObjectRecord | undefined {
    return this.#records.get(name);
  }

  /** Forgets an object, because something happened to it. */
  forget(address: string): void {
    const record = this.#records.get(address);
    if (record !== undefined) this.#remove(record);
    if (this.#asking === 0) return;
    this.#changes.set(address, ++this.#clock);
    if (this.#changes.size > KNOWN_OBJECTS_MAX) this.#forgetChanges();
  }

  /** Forgets all of them. */
  clear(): void {
    this.#records.clear();
    this.#clock++;
    this.#forgetChanges();
  }

  async #learn(name: string, ask: (name: string) => Promise<ObjectRecord>): Promise<ObjectRecord> {
    const begun = this.#clock;
    this.#asking++;
    try {
      const record = await ask(name);
      const changed = this.#changes.get(record.blake3) ?? this.#unnoted;
      if (isDigest(name) && record.state === 'live' && changed <= begun) this.#add(record);
      return record;
    } finally {
      if (--this.#asking === 0) this.#forgetChanges();
    }
  }

  #add(record: ObjectRecord): void {
    Object.freeze(record); // it is everybody's now
    this.#records.set(record.blake3, record).set(record.sha256, record);
    if (this.#records.size <= 2 * KNOWN_OBJECTS_MAX) return;
    const [oldest] = this.#records.values();
    if (oldest !== undefined) this.#remove(oldest);
  }

  #remove({ blake3, sha256 }: ObjectRecord): void {
    this.#records.delete(blake3);
    this.#records.delete(sha256);
  }

  #forgetChanges(): void {
    this.#changes.clear();
    this.#unnoted = this.#clock;
  }
}

/**
 * A log that has objects forgotten when something happens to them: after the commit, and before whoever appends goes on. Also when the append fails,
 * because then nobody knows.
 */
export function forgetting(log: EventLog, known: KnownObjects): EventLog {
  return {
    append: async (events) => {
      try {
        return await log.append(events);
      } finally {
        forgetSubjects(known, events);
      }
    },
    appendIngests: async (ingests) => {
      try {
        return await log.appendIngests(ingests);
      } finally {
        forgetIngested(known, ingests.table, ingests.indexes);
      }
    },
    appendRemovals: async (removals) => {
      try {
        await log.appendRemovals(removals);
      } finally {
        for (const address of removals.addresses) known.forget(address);
      }
    },
    textsOf: (pseudonyms) => log.textsOf(pseudonyms),
    findTexts: (query) => log.findTexts(query),
    erase: (pseudonyms, event) => log.erase(pseudonyms, event),
    rebuild: async (progress) => {
      try {
        await log.rebuild(progress);
      } finally {
        known.clear();
      }
    },
    read: (query) => log.read(query),
    last: () => log.last(),
    now: () => log.now(),
    onCommit: (listener) => log.onCommit(listener),
    settle: () => log.settle(),
    close: () => log.close(),
  };
}

function forgetSubjects(known: KnownObjects, events: readonly NewEvent[]): void {
  for (const { subject } of events) if (subject !== null) known.forget(subject);
}

/** What was not there before has no record of a live object that could be known. */
function forgetIngested(known: KnownObjects, table: IngestTable, indexes: Uint32Array): void {
  const { existed, healed } = table;
  for (let n = 0; n < indexes.length; n++) {
    const index = indexes[n] as number;
    if (existed[index] || healed[index]) known.forget(formatBlake3(table.blake3(index)));
  }
}
