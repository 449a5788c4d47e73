/**
 * How the backend is, and what it looks after by itself: uploads in parts that nobody ends.
 *
 * Imports the parts, metrics and limits. Called by plane.ts.
 */

import { S3_ABANDONED_MS, S3_HEALTH_TIMEOUT_MS } from '../../../limits.js';
import { counter, type Family } from '../../../metrics/exposition.js';
import type { BackendStatus } from '../../spi.js';
import type { Parts } from './parts.js';
import { EMPTY_PAYLOAD_HASH } from './sigv4.js';

/** As `backendHealth`. @param requireOpen throws when the backend is closed */
export async function health(parts: Parts, requireOpen: () => void): Promise<BackendStatus> {
  const { bucket, keys, marks, spool, options } = parts;
  const facts = factsOf(parts);
  const status = { readOnly: spool === undefined, backend: 's3', tier: options.tier ?? 'hot', facts } as const;
  try {
    requireOpen();
    const limits = { attempts: 1, timeoutMs: S3_HEALTH_TIMEOUT_MS };
    await marks.load();
    if (spool === undefined) return { ...status, ready: true };
    const began = performance.now();
    await bucket.put(keys.probe('health'), { body: new Uint8Array(), sha256: EMPTY_PAYLOAD_HASH }, limits);
    const syncLatencyMicros = Math.round((performance.now() - began) * 1000);
    const local = await spool.plane.backendHealth();
    const problem = local.ready ? undefined : `The spool is not ready: ${local.problem}`;
    return { ...status, ready: local.ready, syncLatencyMicros, ...(problem !== undefined && { problem }) };
  } catch (error) {
    return { ...status, ready: false, problem: (error as Error).message };
  }
}

function factsOf({ bucket, findings, chain, spool, options, notices, requests }: Parts): Record<string, string> {
  const { endpoint, region, pathStyle } = bucket.place;
  const last = notices.at(-1);
  return {
    ...findings.facts,
    dataPlane: 's3',
    place: options.url,
    endpoint,
    region,
    addressing: pathStyle ? 'path' : 'virtual host',
    requests: `${requests.counts.requests}, of which ${requests.counts.retries} repeated and ${requests.counts.failures} given up`,
    ...(chain.source !== undefined && { credentials: chain.source }),
    ...(spool !== undefined && { spool: spool.path }),
    ...(last !== undefined && { lastTrouble: last }),
  };
}

export function familiesOf({ counts: { requests, retries, failures } }: Parts['requests']): Family[] {
  return [
    counter('artifactstore_s3_requests_total', 'Requests sent to the S3 server, repeated ones too.', requests),
    counter(
      'artifactstore_s3_retries_total',
      'Requests that were sent again: the server was busy, or a connection broke.',
      retries,
    ),
    counter('artifactstore_s3_failures_total', 'Requests that were given up after all attempts.', failures),
  ];
}

/** Gives up uploads in parts that nobody has ended for long. Beside everything else; never fails. */
export async function dropAbandoned({ bucket, keys, spool, options }: Parts, isClosed: () => boolean): Promise<void> {
  if (spool === undefined) return;
  try {
    const before = Date.now() - (options.abandonedMs ?? S3_ABANDONED_MS);
    const found = [...(await bucket.unended(keys.objects)), ...(await bucket.unended(keys.probes))];
    for (const { key, uploadId, begun } of found) {
      if (isClosed()) return;
      if (!(begun <= before)) continue;
      await bucket.dropParts(key, uploadId);
      bucket.notice(
        `An upload of ${key} in parts that was begun at ${new Date(begun).toISOString()} and never ended was given up.`,
      );
    }
  } catch (error) {
    if (!isClosed()) bucket.notice(`Abandoned uploads were not looked for: ${(error as Error).message}`);
  }
}
