/**
 * Who may speak to a daemon: the processes of its own user, those of root, and of users that it was told of.
 *
 * Imports the addon, which asks the kernel. Called by `host.ts` for every connection.
 */

import type { Socket } from 'node:net';
import { ArtifactStoreError } from '../../../errors.js';
import { loadAddon } from '../../../native/load.js';

export class Peers {
  readonly #uids: ReadonlySet<number>;

  /** @param uids of users beside the daemon's own and root */
  constructor(uids: readonly number[]) {
    this.#uids = new Set([0, process.geteuid?.() ?? 0, ...uids]);
  }

  /** Why the process at the other end may not speak; undefined when it may. Called when it has connected. */
  refusal(socket: Socket): ArtifactStoreError | undefined {
    const { fd = -1 } = (socket as Socket & { _handle?: { fd?: number } })._handle ?? {};
    const peer = fd < 0 ? null : loadAddon().peerOf(fd);
    if (peer === null) {
      return new ArtifactStoreError('AS_ERR_FORBIDDEN', 'The data plane cannot tell who asks: use its Unix socket.');
    }
    const [pid, uid] = peer;
    if (this.#uids.has(uid)) return undefined;
    const message = `User ${uid} (process ${pid}) may not use this data plane. Start it with --allow-uid ${uid} if that is meant.`;
    return new ArtifactStoreError('AS_ERR_FORBIDDEN', message, { uid, pid });
  }
}
