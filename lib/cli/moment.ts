/**
 * Moments as people write them: an event by its seq, or a time in ISO 8601.
 *
 * A time without seconds, or without a time of day, means the whole of its minute or day, as people do: a period starts at its beginning and ends with
 * its end. Times without a zone are UTC, as every time that is printed. Imports commander and the log's types. Called by the commands.
 */

import { InvalidArgumentError } from 'commander';
import type { Moment } from '../events/read-all.js';

/** `2026-11-24`, `2026-11-24T10:30`, `2026-11-24 10:30:59.123+01:00`. */
const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?:(:\d\d)(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/i;

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
const SECOND_MS = 1000;

/** The earliest moment that the text means, for `--since`. */
export function parseStart(text: string): Moment {
  const { seq, start } = parse(text);
  return seq === undefined ? { time: start } : { seq };
}

/** The latest moment that the text means, for `--until` and `--at`. */
export function parseEnd(text: string): Moment {
  const { seq, start, length } = parse(text);
  return seq === undefined ? { time: start + length - 1 } : { seq };
}

/** A seq, or a period in milliseconds. */
function parse(text: string): { seq?: number; start: number; length: number } {
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return { seq: Number(text), start: 0, length: 0 };
  const [, day, minute = '00:00', second, fraction, zone = 'Z'] = TIME.exec(text) ?? [];
  const start = Date.parse(`${day}T${minute}${second ?? ':00'}${fraction ?? ''}${zone.toUpperCase()}`);
  // Date.parse takes 30 February for 2 March.
  const exists = new Date(`${day}T00:00:00Z`).toJSON()?.slice(0, 10) === day;
  if (Number.isNaN(start) || start < 0 || !exists) {
    throw new InvalidArgumentError(
      'Give the seq of an event, or a time such as 2026-11-24, 2026-11-24T10:30 or 2026-11-24T10:30:59Z.',
    );
  }
  if (fraction !== undefined) return { start, length: 1 };
  if (second !== undefined) return { start, length: SECOND_MS };
  return { start, length: text.length > (day as string).length ? MINUTE_MS : DAY_MS };
}
