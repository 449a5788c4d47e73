/**
 * Choosing between JSON and CBOR by the Accept header (RFC 9110, section 12.5.1).
 *
 * Pure. Called by handlers that have both.
 */

/** Whether a client asks for CBOR by name, and not for JSON at least as much. */
export function prefersCbor(accept: string | undefined): boolean {
  const weights = new Map<string, number>();
  for (const range of accept?.toLowerCase().split(',') ?? []) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    weights.set(type, weight === undefined ? 1 : Number(weight) || 0);
  }
  return (weights.get('application/cbor') ?? 0) > (weights.get('application/json') ?? 0);
}
