/**
 * A failure of the connection, not of the data plane: it was not reached, or it went away in the middle.
 *
 * Imports errors. Thrown by `connection.ts`, which tries again where it may; to callers it is an error like any other.
 */

import { ArtifactStoreError } from '../../errors.js';

/** `details.repeatable` says whether the operation may be repeated as it is. */
export class Interrupted extends ArtifactStoreError {
  constructor(
    message: string,
    details: { place: string; operation: string; errno: string; repeatable: boolean },
    cause: unknown,
  ) {
    super('AS_ERR_UNAVAILABLE', message, details, { cause });
  }
}

/** Failures before anybody took the connection. */
const NOT_REACHED: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT', 'EAGAIN', 'UND_ERR_CONNECT_TIMEOUT']);

/** What failed, and where. */
export interface Attempted {
  place: string;
  operation: string;
  /** Doing it twice is as doing it once. */
  isIdempotent: boolean;
}

/** The error that a failure of undici or of the socket is; errors of this package stay as they are. */
export function connectionFailure({ place, operation, isIdempotent }: Attempted, cause: unknown): Error {
  if (cause instanceof ArtifactStoreError) return cause;
  const { code = 'unknown', message, name } = cause as NodeJS.ErrnoException;
  const details = { place, operation, errno: code };
  if (NOT_REACHED.has(code)) {
    const text = `The data plane at ${place} cannot be reached: ${message}. Start it (artifactstore dataplane), or check the address; nothing was done.`;
    return new Interrupted(text, { ...details, repeatable: true }, cause);
  }
  if (code === 'EACCES' || code === 'EPERM') {
    const text = `This user may not use the socket of the data plane at ${place}. Run as its owner, or start it with --mode and --allow-uid.`;
    return new ArtifactStoreError('AS_ERR_FORBIDDEN', text, details, { cause });
  }
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') {
    return new ArtifactStoreError('AS_ERR_CLOSED', 'The store is closed; open it again.', {}, { cause });
  }
  if (name === 'HTTPParserError' && code !== 'HPE_INVALID_EOF_STATE') {
    const text = `What answers at ${place} does not speak the protocol of data planes: ${message}. Check the address.`;
    return new ArtifactStoreError('AS_ERR_PROTOCOL', text, details, { cause });
  }
  const advice = isIdempotent ? 'It is safe to repeat it' : 'Ask where the upload session stands, and go on from there';
  const text = `The connection to the data plane at ${place} broke during "${operation}": ${message}. ${advice}.`;
  return new Interrupted(text, { ...details, repeatable: isIdempotent }, cause);
}
