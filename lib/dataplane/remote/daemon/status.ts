/** The status of an answer that is an error. Imports errors. Called by whoever answers. */

import { ArtifactStoreError, isStoreError } from '../../../errors.js';

/** For people who look at the traffic; clients read the code in the body. */
export function statusOf(error: unknown): number {
  if (isStoreError(error, 'AS_ERR_PROTOCOL', 'AS_ERR_CBOR_DECODE')) return 400;
  if (isStoreError(error, 'AS_ERR_FORBIDDEN')) return 403;
  return error instanceof ArtifactStoreError && error.code !== 'AS_ERR_INTERNAL' ? 422 : 500;
}
