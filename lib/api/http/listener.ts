/**
 * Where the service listens.
 *
 * Imports `node:http` types and errors. Called by `server.ts`.
 */

import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ArtifactStoreError } from '../../errors.js';

/**
 * Listens on an address.
 *
 * @param port 0 takes any free one
 * @returns the URL under which the server can be reached
 * @throws AS_ERR_INVALID_ARGUMENT: the port; AS_ERR_IO: it is taken or not allowed
 */
export async function listen(server: Server, host: string, port: number): Promise<string> {
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new ArtifactStoreError('AS_ERR_INVALID_ARGUMENT', `Port ${port} is not one; give 0 to 65535.`, { port });
  }
  await new Promise<void>((resolve, reject) => {
    const refuse = (cause: Error) => reject(listenError(host, port, cause));
    server.once('error', refuse);
    server.listen({ host, port }, () => {
      server.off('error', refuse);
      resolve();
    });
  });
  const bound = server.address() as AddressInfo;
  const name = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  return `http://${name}:${bound.port}`;
}

function listenError(host: string, port: number, cause: Error): ArtifactStoreError {
  const { code } = cause as NodeJS.ErrnoException;
  const what =
    code === 'EADDRINUSE'
      ? 'another program listens there. Stop it or choose another port'
      : code === 'EACCES'
        ? 'this user may not use that port. Choose one from 1024 on'
        : `${cause.message}. Check host and port`;
  return new ArtifactStoreError(
    'AS_ERR_IO',
    `Cannot listen on ${host} port ${port}: ${what}.`,
    { host, port, errno: code },
    { cause },
  );
}
