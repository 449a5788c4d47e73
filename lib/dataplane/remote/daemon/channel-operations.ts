/**
 * What a daemon does over connections that are one operation's own: long streams, which the core receives and sends.
 *
 * Imports the contract and what stands in messages. Called by `host.ts`.
 */

import type { ClosableDataPlane } from '../../closable.js';
import { malformed } from '../frames.js';
import type { ChannelOperation } from '../protocol.js';
import { ingestOutcomeValue, readIngestRequest, readServeRequest } from '../values.js';
import type { ChannelExchange } from './channel-exchange.js';
import { ChannelSource } from './channel-source.js';

/** Carries an operation out. What it throws is for the caller to answer. */
export function runOnChannel(
  operation: ChannelOperation,
  plane: ClosableDataPlane,
  exchange: ChannelExchange,
): Promise<void> {
  return operation === 'ingest' ? ingest(plane, exchange) : serve(plane, exchange);
}

async function ingest(plane: ClosableDataPlane, exchange: ChannelExchange): Promise<void> {
  const { hints, path } = readIngestRequest(await exchange.body.head());
  if (hints.session !== undefined || path !== undefined)
    throw malformed('sessions and paths have no connection of their own');
  const source = new ChannelSource(exchange);
  try {
    exchange.conclude(ingestOutcomeValue(await plane.ingestStream(source, hints)));
  } finally {
    source.close();
  }
}

async function serve(plane: ClosableDataPlane, exchange: ChannelExchange): Promise<void> {
  const { address, range } = readServeRequest(await exchange.body.head());
  const pieces = range && plane.servePieces?.(address, exchange.channel.descriptor, range);
  if (pieces !== undefined) await exchange.passOn(pieces);
  else await exchange.stream(plane.serveObject(address, range));
}
