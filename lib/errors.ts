/**
 * Every error this package raises on purpose. One class, a stable code, and a sentence that says what was wrong,
 * with which value, and what to do. Doors map codes to HTTP statuses and exit codes; nothing parses messages.
 */

/** Every code, with its meaning. Codes are stable: they may be added, never renamed. */
export const ERROR_CODES = {
  AS_ERR_ABORTED: 'the caller gave the operation up',
  AS_ERR_AMBIGUOUS_DIGEST: 'a digest prefix names more than one object',
  AS_ERR_ARCHIVE: 'an archive is malformed, or holds what a package cannot',
  AS_ERR_CBOR_DECODE: 'bytes are not canonical CBOR',
  AS_ERR_CBOR_ENCODE: 'a value cannot be canonical CBOR',
  AS_ERR_CLOSED: 'the store has been closed',
  AS_ERR_CONFIG: 'the configuration file cannot be read, or says something that has no meaning',
  AS_ERR_CONFLICT:
    'somebody else was at the same object, upload session, version or ref; look again, then repeat the operation',
  AS_ERR_CORRUPT: 'stored bytes no longer match their digest',
  AS_ERR_DIGEST_MISMATCH: 'the bytes received are not the bytes expected',
  AS_ERR_FORBIDDEN: 'who asks is known, and may not do this',
  AS_ERR_GONE:
    'the object was deleted and its tombstone remains, the version was withdrawn, or the upload ended without an object',
  AS_ERR_HTTP_ANSWER: 'what answered is not this service, or one of another version',
  AS_ERR_HTTP_METHOD: 'the resource does not have this HTTP method',
  AS_ERR_HTTP_ORIGIN: 'the request comes from a page, or for a host name, that the service does not trust',
  AS_ERR_HTTP_PRECONDITION: 'a precondition of the request does not hold',
  AS_ERR_HTTP_REQUEST: 'the HTTP request is malformed, or asks for what the service does not do',
  AS_ERR_HTTP_ROUTE: 'there is no resource at this path',
  AS_ERR_HTTP_TIMEOUT: 'the client was silent for too long in the middle of a request',
  AS_ERR_INTERNAL: 'an error nobody foresaw, so a bug',
  AS_ERR_IN_USE: 'packages need the object that is to be deleted, or refs point at the version that is to be withdrawn',
  AS_ERR_INVALID_ARGUMENT: 'an argument is outside its documented range',
  AS_ERR_INVALID_DIGEST: 'text is not a digest or digest prefix',
  AS_ERR_IO: 'the operating system reported an I/O error',
  AS_ERR_ISSUER: 'an issuer of identities cannot be asked for its keys',
  AS_ERR_LIMIT: 'a documented limit would be exceeded',
  AS_ERR_LOCKED: 'a lock, or the minimum of a policy, would be shortened',
  AS_ERR_LOG_DAMAGED: 'the event log cannot be read as what was written',
  AS_ERR_MANIFEST: 'bytes are not the manifest of a package, or break one of its rules',
  AS_ERR_NATIVE: 'the native addon cannot be loaded',
  AS_ERR_NO_SPACE: 'the disk or its quota is full',
  AS_ERR_NOT_FOUND: 'no such object, upload, package, ref or path',
  AS_ERR_OFFSET: 'the offset is not where the upload session stands; ask and go on from there',
  AS_ERR_PLAN: 'a retention plan no longer fits what is there, or was carried out already; plan again',
  AS_ERR_POLICY: 'a retention policy cannot be read, contradicts itself, or would delete everything without saying so',
  AS_ERR_PROTECTED: 'a hold, a lock or a policy forbids the deletion',
  AS_ERR_PROTOCOL: 'data plane and client speak no version in common, or a message between them is not what was agreed',
  AS_ERR_QUOTA: 'what a token may store, or a namespace may take, is used up',
  AS_ERR_RANGE: 'a byte range lies outside the object',
  AS_ERR_RATE: 'more requests came than who asks may make',
  AS_ERR_READ_ONLY: 'the store cannot be written',
  AS_ERR_SIZE_MISMATCH: 'fewer or more bytes came than were announced',
  AS_ERR_SOURCE_CHANGED: 'a file changed while it was being read',
  AS_ERR_SOURCE_UNREADABLE: 'a file cannot be read',
  AS_ERR_SQLITE: 'the database failed or cannot be loaded',
  AS_ERR_STORE_FORMAT: 'the store has a format this version does not know',
  AS_ERR_STORE_LOCKED: 'another process has the store open',
  AS_ERR_STORE_MISSING: 'there is no store at this place',
  AS_ERR_UNAUTHENTICATED: 'who asks has not been proven',
  AS_ERR_UNAUTHENTICATED_LISTEN: 'refused to listen beyond loopback without authentication',
  AS_ERR_UNAVAILABLE:
    'the service cannot be reached, or is starting or stopping and does not take this request now; try again',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Plain values that say which thing went wrong; safe to show, log and carry as canonical CBOR. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | readonly unknown[] | undefined>>;

/** The one error class of this package. */
export class ArtifactStoreError extends Error {
  override readonly name = 'ArtifactStoreError';

  /**
   * @param code a key of ERROR_CODES
   * @param message a sentence: what was wrong, with which value, what to do
   * @param details the values in the message, for programs
   * @param options `cause`: the underlying error
   */
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: ErrorDetails = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Whether `error` is ours, optionally with one of the given codes. */
export function isStoreError(error: unknown, ...codes: ErrorCode[]): error is ArtifactStoreError {
  return error instanceof ArtifactStoreError && (codes.length === 0 || codes.includes(error.code));
}
