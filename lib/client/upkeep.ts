/**
 * Verification by a service, and the stories it tells.
 *
 * Imports digest text, errors and this folder. Called by the client.
 */

import type { Story, StoryLine } from '../audit/explain.js';
import type { VerifyResult } from '../dataplane/spi.js';
import { digestBytes } from '../digest-name.js';
import { ArtifactStoreError, type ErrorCode } from '../errors.js';
import type { Moment } from '../events/read-all.js';
import type { ObjectRecord, ScannedObject } from '../registry/registry.js';
import type { ScrubRun } from '../store/verbs.js';
import type {
  Moved,
  MoveReport,
  ScrubOptions,
  ScrubReport,
  StoreTier,
  VerifyObjectOptions,
  VerifyReport,
} from '../store.js';
import { type Service, segment } from './service.js';

/** A result as JSON has it: digests as text. */
type ResultJson = Omit<VerifyResult, 'blake3' | 'sha256'> & {
  blake3?: `blake3:${string}`;
  sha256?: `sha256:${string}`;
};

/** As `Store.verify`. */
export async function verify(
  service: Service,
  name: string,
  { digests = 'both', signal }: VerifyObjectOptions,
): Promise<VerifyReport> {
  const { record, ...result } = await service.json<ResultJson & { record: ObjectRecord }>({
    method: 'POST',
    path: `/v1/objects/${segment(name)}/verification`,
    query: { quick: digests === 'blake3' || undefined },
    signal,
    isPatient: true,
    isRepeatable: true,
  });
  return { ...resultOf(result), record };
}

/** What the first line says. */
type Plan = Pick<ScrubRun, 'count' | 'size' | 'seed' | 'began'>;

type Finding = { object: ScannedObject } & ({ result: ResultJson } | { error: { code: ErrorCode; message: string } });

/** As `Store.scrub`: the service verifies, and tells of each object as it goes. One whose connection breaks can be resumed. */
export async function scrub(service: Service, options: ScrubOptions): Promise<ScrubRun> {
  const { signal, actor: _, ...asked } = options;
  const lines = service.lines<Plan | Finding>({
    method: 'POST',
    path: '/v1/verifications',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(asked),
    signal,
    isPatient: true,
  });
  const first = await lines.next();
  if (first.done)
    throw new ArtifactStoreError(
      'AS_ERR_HTTP_ANSWER',
      'The verification was not answered. Check what is at this address.',
    );
  return {
    ...(first.value as Plan),
    [Symbol.asyncIterator]: () => findings(lines as AsyncGenerator<Finding>, signal),
  } as ScrubRun;
}

/** Ended by the signal it ends without an error, as the library's does. */
async function* findings(lines: AsyncGenerator<Finding>, signal: AbortSignal | undefined): AsyncGenerator<ScrubReport> {
  try {
    for await (const finding of lines) yield reportOf(finding);
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

function reportOf(finding: Finding): ScrubReport {
  const { object } = finding;
  if ('result' in finding) return { object, result: resultOf(finding.result) };
  const { code, message } = finding.error;
  return { object, error: new ArtifactStoreError(code, message) };
}

function resultOf({ blake3, sha256, ...result }: ResultJson): VerifyResult {
  return {
    ...result,
    ...(blake3 && { blake3: digestBytes(blake3) }),
    ...(sha256 && { sha256: digestBytes(sha256) }),
  };
}

/** As `Store.tier`: the service moves, and tells of each object as it goes. */
export async function* tier(
  service: Service,
  name: string,
  to: StoreTier,
  signal: AbortSignal | undefined,
): AsyncGenerator<MoveReport> {
  const path = `/v1/tiers/${segment(to)}/${name.split('/').map(segment).join('/')}`;
  const lines = service.lines<Moved | { blake3: Moved['blake3']; error: { code: ErrorCode; message: string } }>({
    method: 'POST',
    path,
    signal,
    isPatient: true,
    isRepeatable: true,
  });
  for await (const line of lines) {
    if (!('error' in line)) yield line;
    else yield { blake3: line.blake3, error: new ArtifactStoreError(line.error.code, line.error.message) };
  }
}

/** As `Store.explain`. */
export async function explain(service: Service, name: string, at: Moment | undefined): Promise<Story> {
  const lines = service.lines<{ subject: string } | StoryLine>({
    method: 'GET',
    path: `/v1/stories/${segment(name)}`,
    query: { ...at },
  });
  const first = await lines.next();
  const { subject } = (first.value ?? {}) as { subject: string };
  if (subject === undefined)
    throw new ArtifactStoreError('AS_ERR_HTTP_ANSWER', 'What came is not a story. Check what is at this address.');
  return { subject, [Symbol.asyncIterator]: () => lines as AsyncGenerator<StoryLine> };
}
