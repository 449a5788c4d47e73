/**
 * What a request asks for, by its method, its path and what it is to be turned into.
 *
 * Imports `node:http`'s types, errors and the protocol. Called by `host.ts`.
 */

import type { IncomingMessage } from 'node:http';
import { ArtifactStoreError } from '../../../errors.js';
import { malformed } from '../frames.js';
import {
  CHANNEL_OPERATIONS,
  CHANNEL_PROTOCOL,
  CHANNELS_SINCE,
  type ChannelOperation,
  type OperationName,
  operationsOf,
  VERSIONS,
} from '../protocol.js';

/** The operation. Throws AS_ERR_PROTOCOL: none that there is in that version. */
export function requireOperation(request: IncomingMessage): OperationName {
  const { version, name } = requirePath(request);
  return requireOneOf(name, operationsOf(version));
}

/** The operation that is to have the connection as its own. Throws AS_ERR_PROTOCOL likewise. */
export function requireChannel(request: IncomingMessage): ChannelOperation {
  const { version, name } = requirePath(request);
  if (request.headers.upgrade?.toLowerCase() !== CHANNEL_PROTOCOL || version < CHANNELS_SINCE)
    throw malformed(`from version ${CHANNELS_SINCE} on a connection may become ${CHANNEL_PROTOCOL}, and nothing else`);
  return requireOneOf(name, CHANNEL_OPERATIONS);
}

function requirePath({ method, url = '' }: IncomingMessage): { version: number; name: string } {
  const [, version, name] = /^\/v(\d{1,9})\/([a-z-]{1,32})$/.exec(url) ?? [];
  if (method !== 'POST' || version === undefined || name === undefined) {
    throw new ArtifactStoreError(
      'AS_ERR_PROTOCOL',
      'This is a data plane: it takes POST of /hello and /v<version>/<operation>.',
      {},
    );
  }
  if (Number(version) < VERSIONS.min || Number(version) > VERSIONS.max) {
    const message = `This data plane speaks versions ${VERSIONS.min} to ${VERSIONS.max} of its protocol, not ${version}. Say hello first.`;
    throw new ArtifactStoreError('AS_ERR_PROTOCOL', message, {
      ours: [VERSIONS.min, VERSIONS.max],
      theirs: [Number(version)],
    });
  }
  return { version: Number(version), name };
}

function requireOneOf<Name extends OperationName>(name: string, known: readonly Name[]): Name {
  const operation = known.find((one) => one === name);
  if (operation !== undefined) return operation;
  throw new ArtifactStoreError(
    'AS_ERR_PROTOCOL',
    `A data plane has no operation "${name}"; it has ${known.join(', ')}.`,
    { operation: name },
  );
}
