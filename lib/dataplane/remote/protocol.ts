/**
 * The protocol between a data plane in a daemon and those who use it: what is asked for, and in which versions. docs/dataplane-protocol.md is the
 * specification; golden files in test/golden/ hold both to it.
 *
 * Imports nothing. Called by the rest of this folder.
 */

/** Versions that this package speaks, the oldest and the newest. */
export interface Versions {
  readonly min: number;
  readonly max: number;
}

export const VERSIONS: Versions = { min: 1, max: 4 };

/** The newest version that both speak; undefined when there is none. */
export function commonVersion(ours: Versions, theirs: Versions): number | undefined {
  const newest = Math.min(ours.max, theirs.max);
  return newest >= Math.max(ours.min, theirs.min) ? newest : undefined;
}

/** Media type of every body. */
export const MEDIA_TYPE = 'application/vnd.artifactstore.dataplane';

/** Header of every answer: which run of the daemon gave it, 32 hex digits. */
export const INSTANCE_HEADER = 'artifactstore-instance';

/** What a connection is turned into that is one operation's own, as HTTP names it in `Upgrade`; and the first version that has that. */
export const CHANNEL_PROTOCOL = 'artifactstore-dataplane';
export const CHANNELS_SINCE = 4;

/** Operations that may have a connection of their own. */
export const CHANNEL_OPERATIONS = ['ingest', 'serve'] as const satisfies readonly OperationName[];

export type ChannelOperation = (typeof CHANNEL_OPERATIONS)[number];

/** Where versions are agreed on; of every version. */
export const HELLO = '/hello';

/** What can be asked for, each at `/v<version>/<name>`, and the first version that has it. */
export const OPERATIONS = {
  ingest: 1,
  'ingest-many': 1,
  serve: 1,
  'serve-many': 1,
  outboard: 1,
  verify: 1,
  delete: 1,
  health: 1,
  sync: 1,
  compact: 1,
  sessions: 1,
  list: 2,
  'delete-many': 2,
  erase: 3,
} as const;

export type OperationName = keyof typeof OPERATIONS;

/** What can be asked for in a version. */
export function operationsOf(version: number): OperationName[] {
  const all = Object.entries(OPERATIONS) as [OperationName, number][];
  return all.filter(([, since]) => since <= version).map(([name]) => name);
}
