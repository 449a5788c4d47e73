/**
 * What systemd and its like agree on with a service: sockets that are handed over (sd_listen_fds(3)) and word of its state (sd_notify(3)).
 *
 * Imports Node and errors. Called by `listen.ts` and the command line.
 */

import { execFile } from 'node:child_process';
import { ArtifactStoreError } from '../errors.js';

/** The first descriptor that is handed over: those before are standard input, output and error. */
const FIRST_DESCRIPTOR = 3;

/**
 * The sockets that this process was started with; none when they were meant for another.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: LISTEN_FDS is not a number of sockets
 */
export function inheritedSockets(environment: NodeJS.ProcessEnv = process.env, pid: number = process.pid): number[] {
  const { LISTEN_FDS: text, LISTEN_PID: owner } = environment;
  if (text === undefined || owner !== String(pid)) return [];
  if (!/^[1-9]\d{0,2}$/.test(text)) {
    const message = `LISTEN_FDS is "${text}", which is not a number of sockets. It is set by systemd; do not set it by hand.`;
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', message, { LISTEN_FDS: text });
  }
  return Array.from({ length: Number(text) }, (_, n) => FIRST_DESCRIPTOR + n);
}

/** The same where there must be some. Throws AS_ERR_INVALID_ARGUMENT: there are none. */
export function requireInheritedSockets(): number[] {
  const sockets = inheritedSockets();
  if (sockets.length > 0) return sockets;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    'No sockets were handed over: LISTEN_FDS and LISTEN_PID are not set for this process. Start it by a systemd socket unit, or listen elsewhere.',
  );
}

/**
 * Tells the service manager how this process is, where one asks. Node has no sockets for datagrams on Unix, so the program `systemd-notify` says it:
 * the unit needs `NotifyAccess=all`.
 *
 * @returns why it could not be said; undefined when it was, or when nobody asked
 */
export function notifyManager(state: 'ready' | 'stopping'): Promise<string | undefined> {
  if (!process.env.NOTIFY_SOCKET) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    execFile('systemd-notify', [`--${state}`], (error) => resolve(error?.message));
  });
}
