/** The client of a service, as programs import it: `artifactstore/client`. */

import type { ClientOptions } from './client.js';
import { StoreClient } from './client.js';

export { ArtifactStoreError, ERROR_CODES, type ErrorCode, type ErrorDetails, isStoreError } from '../errors.js';
export { isServiceUrl } from '../service-url.js';
export type { PutSource } from '../store/source.js';
export type { StoredObject } from '../store/stored-object.js';
export type { EventPlace, Pushed, ScrubRun, Stored } from '../store/verbs.js';
export type { ClientOptions, StoreClient } from './client.js';
export type { ClientPackages } from './packages.js';
export type { ClientPutOptions } from './put.js';
export type { ClientTokens } from './tokens.js';

/**
 * A client of the service at a URL. It connects when it is first asked something, and is closed after use.
 *
 * @throws AS_ERR_INVALID_ARGUMENT: not the address of a service, or not a token
 */
export function openClient(options: ClientOptions): StoreClient {
  return new StoreClient(options);
}
