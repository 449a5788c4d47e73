/**
 * POST /v1/tiers/<tier>/<name>: moves an object, or the files of a package, to a tier.
 *
 * Imports the exchange, lines of JSON and errors as JSON. Called by the router.
 */

import type { MoveReport, StoreTier } from '../../../store.js';
import type { Answer, Exchange } from '../exchange.js';
import { linesAnswer } from '../lines.js';
import { errorJson } from '../problem.js';

/** A line for each object that has been moved, or could not be. What makes the whole impossible is a problem; it ends when its client leaves. */
export async function moveToTier(exchange: Exchange): Promise<Answer> {
  const { store, actor, method, heartbeatMs, params } = exchange;
  const [tier = '', name = ''] = params;
  const moves = store.tier(name, tier as StoreTier, { actor, signal: exchange.ended() });
  return linesAnswer(method, told(moves), heartbeatMs);
}

async function* told(moves: AsyncIterable<MoveReport>): AsyncGenerator<object> {
  for await (const move of moves) yield 'error' in move ? { blake3: move.blake3, error: errorJson(move.error) } : move;
}
