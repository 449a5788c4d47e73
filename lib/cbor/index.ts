/**
 * Canonical CBOR: the one form in which the store keeps, compares and exchanges structured values. Re-exports only.
 * The profile stands in docs/formats/cbor.md. Called by events, manifests, the contract's encoders and the doors.
 */

export { decodeCanonical, memberSlice } from './decode.js';
export { encodeCanonical } from './encode.js';
export { Encoded } from './encoded.js';
export { type JsonValue, toJson } from './json.js';
export { elementSlices, sequenceItems } from './sequence.js';
export type { CborInput, CborValue } from './value.js';
