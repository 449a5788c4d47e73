/**
 * TLS: the server that speaks it, certificates that change while it runs, and clients that are known by theirs.
 *
 * Imports `node:tls`, `node:https`, limits and errors. Called by `server.ts`. Certificates come as text: whoever starts the service reads the files.
 */

import type { IncomingMessage, Server, ServerOptions } from 'node:http';
import { createServer, type Server as HttpsServer } from 'node:https';
import { createSecureContext, TLSSocket } from 'node:tls';
import type { Principal } from '../../access/principal.js';
import type { Scope } from '../../access/scopes.js';
import { ArtifactStoreError } from '../../errors.js';
import { HTTP_HEADERS_TIMEOUT_MS, PRINCIPAL_NAME_LENGTH_MAX } from '../../limits.js';

/** Certificates and keys, each as PEM. */
export interface TlsMaterial {
  /** The service's own certificate, and those between it and the root. */
  cert: string | Uint8Array;
  key: string | Uint8Array;
  /** Who issues the certificates of clients. Given, every client must have one. */
  clientCa?: string | Uint8Array;
}

export interface TlsOptions extends TlsMaterial {
  /** What a client may do by its certificate alone. Default: nothing; then it needs a token too. */
  clientScopes?: readonly Scope[];
}

/**
 * A server that speaks TLS 1.2 and newer.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: a certificate or key that cannot be used
 */
export function createTlsServer(options: ServerOptions, material: TlsMaterial): HttpsServer {
  const isMutual = material.clientCa !== undefined;
  return createServer({
    ...options,
    ...contextOf(material),
    minVersion: 'TLSv1.2',
    handshakeTimeout: HTTP_HEADERS_TIMEOUT_MS, // as long as the headers of a request may take
    requestCert: isMutual,
    rejectUnauthorized: isMutual,
  });
}

/**
 * Changes the certificates of connections to come; those there are go on with theirs.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: one that cannot be used; everything stays as it was
 */
export function changeCertificates(server: Server, material: TlsMaterial): void {
  (server as HttpsServer).setSecureContext(contextOf(material));
}

/** Who asks, by the certificate of the connection; undefined: it says nothing that can be relied on. */
export function certificatePrincipal({ socket }: IncomingMessage, scopes: readonly Scope[]): Principal | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const subject = socket.getPeerX509Certificate()?.subject?.replaceAll('\n', ', ').normalize('NFC');
  if (!subject || subject.length > PRINCIPAL_NAME_LENGTH_MAX) return undefined;
  return { actor: `tls:${subject}`, scopes };
}

/** The material as Node takes it, once it has been tried. */
function contextOf({ cert, key, clientCa }: TlsMaterial) {
  const pem = (text: string | Uint8Array) => Buffer.from(text);
  const context = { cert: pem(cert), key: pem(key), ...(clientCa !== undefined && { ca: pem(clientCa) }) };
  try {
    createSecureContext(context);
    return context;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ArtifactStoreError(
      'AS_ERR_INVALID_ARGUMENT',
      `TLS is not possible with this certificate, key or client CA: ${reason}. Give each as PEM, and the key that belongs to the certificate.`,
      {},
      { cause },
    );
  }
}
