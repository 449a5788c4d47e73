/**
 * Long work of a service: how far it has come, as it goes, and what it gave.
 *
 * Imports errors and this folder. Called by the verbs of the client.
 */

import { ArtifactStoreError, type ErrorCode } from '../errors.js';
import type { Call, Service } from './service.js';

type Line<Progress, Report> =
  | { progress: Progress }
  | { report: Report }
  | { error: { code: ErrorCode; message: string } };

/**
 * @param tell told how far it has come
 * @returns the report
 * @throws what the work failed with; AS_ERR_HTTP_ANSWER: it ended without a report
 */
export async function withProgress<Progress, Report>(
  service: Service,
  call: Call,
  tell: (progress: Progress) => void,
): Promise<Report> {
  const headers = { ...call.headers, accept: 'application/x-ndjson' };
  for await (const line of service.lines<Line<Progress, Report>>({ ...call, headers })) {
    if ('report' in line) return line.report;
    if ('error' in line) throw new ArtifactStoreError(line.error.code, line.error.message);
    tell(line.progress);
  }
  const message = `${call.method} ${call.path} ended without a report. Check what is at this address, and ask again.`;
  throw new ArtifactStoreError('AS_ERR_HTTP_ANSWER', message);
}
