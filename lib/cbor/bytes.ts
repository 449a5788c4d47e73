/**
 * Bytes as the checker and the reader may rely on them. Imports nothing. Called where bytes enter this folder.
 */

/**
 * The same bytes as a plain `Uint8Array`: a view, so that a Buffer's own `slice` does not leak into results, or a copy when the
 * memory is shared, so that what was checked is what is read.
 */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer instanceof SharedArrayBuffer) return new Uint8Array(bytes);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
