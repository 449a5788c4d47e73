/** TLS in front of a server on loopback, with a certificate of its own: bytes pass as they come, and a connection that breaks on one side breaks on the other. */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import type { Test } from 'tap';
import { Authority } from './certificates.js';

/** Where it is, and the file of the certificate that is to be trusted. */
export async function openTlsFront(t: Test, target: string): Promise<{ endpoint: string; certificate: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'as-tls-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const authority = new Authority(folder, 'authority');
  const { cert, key } = authority.issue('server');
  const { hostname, port } = new URL(target);
  const server = createServer({ cert, key }, (incoming) => {
    const onward = connect(Number(port), hostname);
    incoming.on('error', () => onward.destroy()).on('close', () => onward.destroy());
    onward.on('error', () => incoming.destroy());
    incoming.pipe(onward);
    onward.pipe(incoming);
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, certificate: authority.certFile };
}
