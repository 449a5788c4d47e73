/**
 * What is said of archives that cannot be taken in.
 *
 * Imports errors and paths. Called by what reads archives.
 */

import { ArtifactStoreError } from '../../../errors.js';
import { pathOfKey, showPackagePath } from '../../../packages/path.js';

/** Characters of a path in a message: enough to find it. */
const PATH_SHOWN_MAX = 200;

/** An archive that cannot be read. */
export function archiveFault(reason: string, cause?: unknown): ArtifactStoreError {
  const message = `This is not an archive that can be taken in: ${reason}. Nothing was stored.`;
  return new ArtifactStoreError('AS_ERR_ARCHIVE', message, { reason }, { cause });
}

/** An entry that no package can have. */
export function entryFault(key: string, reason: string): ArtifactStoreError {
  const path = showPackagePath(pathOfKey(key)).slice(0, PATH_SHOWN_MAX);
  const message = `The archive is refused at "${path}": ${reason}. Nothing was stored.`;
  return new ArtifactStoreError('AS_ERR_ARCHIVE', message, { path, reason });
}
