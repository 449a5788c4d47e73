/** Words of the command line as values. Pure. Called by benchmarks. */

/** What the words of the command line cannot mean; the message says what they may. */
export class UsageError extends Error {}

/** Whether an error is one of usage: ours, or of Node's parser. */
export function isUsageError(error: unknown): error is Error {
  const code = (error as { code?: unknown } | null)?.code;
  return error instanceof UsageError || (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS'));
}

/**
 * A count from 1.
 *
 * @throws UsageError: it is none
 */
export function positiveInteger(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value > 0) return value;
  throw new UsageError(`${option} takes a count from 1, not "${text}"`);
}

/**
 * Some of the words that there are, separated by commas, in the order in which they are known.
 *
 * @throws UsageError: a word is not known, or there is none
 */
export function listOf<Word extends string>(option: string, text: string, known: readonly Word[]): Word[] {
  const words = text.split(',').map((word) => word.trim());
  const unknown = words.find((word) => !known.some((one) => one === word));
  if (unknown !== undefined) throw new UsageError(`${option} takes ${known.join(', ')}, not "${unknown}"`);
  return known.filter((one) => words.includes(one));
}
