/**
 * Choosing a representation by the Accept headers (RFC 9110, sections 12.5.1 and 12.5.3).
 *
 * Pure. Called by handlers that have several.
 */

/** Whether a client asks for CBOR by name, and not for JSON at least as much. */
export function prefersCbor(accept: string | undefined): boolean {
  return preferredType(accept, ['application/json', 'application/cbor']) === 'application/cbor';
}

/** The offer that a client names with the highest weight; the first of equals, and the first of all when it names none. */
export function preferredType<T extends string>(accept: string | undefined, offers: readonly [T, ...T[]]): T {
  const weights = new Map<string, number>();
  for (const range of accept?.toLowerCase().split(',') ?? []) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    weights.set(type, weight === undefined ? 1 : Number(weight) || 0);
  }
  const weightOf = (offer: T) => weights.get(offer) ?? 0;
  return offers.reduce((best, offer) => (weightOf(offer) > weightOf(best) ? offer : best));
}

/** Whether a client takes an answer in this content coding (RFC 9110, section 12.5.3), by name or by `*`. */
export function acceptsCoding(header: string | undefined, coding: string): boolean {
  let rest = false;
  for (const range of header?.toLowerCase().split(',') ?? []) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    const isWanted = weight === undefined || Number(weight) > 0;
    if (name === coding) return isWanted;
    if (name === '*') rest = isWanted;
  }
  return rest;
}
