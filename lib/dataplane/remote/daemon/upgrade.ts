/**
 * How a connection becomes an operation's own, or does not: the last that is HTTP on it.
 *
 * Imports `node:http`'s texts, the channel, frames and failures. Called by `host.ts`.
 */

import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { Channel } from '../channel.js';
import { failureValue } from '../failure.js';
import { encodeHead } from '../frames.js';
import { CHANNEL_PROTOCOL, INSTANCE_HEADER, MEDIA_TYPE } from '../protocol.js';
import { statusOf } from './status.js';

/** It does; when this resolves the client has been told, and nothing is left to be written. Throws AS_ERR_ABORTED: nobody is there any more. */
export async function acceptChannel(socket: Socket, instance: string): Promise<Channel> {
  const channel = new Channel(socket);
  await channel.write(
    head(101, instance, ['connection: upgrade', `upgrade: ${CHANNEL_PROTOCOL}`, `content-type: ${MEDIA_TYPE}`]),
  );
  return channel;
}

/** It does not, and ends. */
export function refuseChannel(socket: Socket, instance: string, error: unknown): void {
  const body = encodeHead(failureValue(error));
  const fields = ['connection: close', `content-type: ${MEDIA_TYPE}`, `content-length: ${body.byteLength}`];
  socket.end(Buffer.concat([head(statusOf(error), instance, fields), body]));
}

function head(status: number, instance: string, fields: readonly string[]): Buffer {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...fields, `${INSTANCE_HEADER}: ${instance}`, '', ''];
  return Buffer.from(lines.join('\r\n'), 'latin1');
}
