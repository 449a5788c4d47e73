/**
 * One large object over HTTP by curl, whole: what a client costs that does no more than take bytes or send them.
 *
 * Imports bench modules only. Called by the parts of the benchmark.
 */

import { createHash } from 'node:crypto';
import { findProgram, runProgram } from '../programs.js';

/** Why there is nothing to measure with; undefined when there is. */
export function transferObstacle(): string | undefined {
  return findProgram('curl') === undefined ? 'curl is not installed (Debian: apt-get install curl)' : undefined;
}

/** Seconds of a GET, from the first byte of the request to the last of the answer. Throws an Error: not answered with 200 and so many bytes. */
export async function download(url: string, size: number): Promise<number> {
  const format = '%{http_code} %{size_download} %{time_total}';
  const args = ['--silent', '--show-error', '--output', '/dev/null', '--write-out', format, url];
  const { stdout } = await runProgram({ command: 'curl', args });
  const [status = '', received = '', seconds = ''] = stdout.split(' ');
  if (status !== '200' || Number(received) !== size) throw new Error(`GET ${url}: status ${status}, ${received} bytes`);
  return Number(seconds);
}

/** Sends a file as the body of a request; gives the Location of the answer, if it has one. Throws an Error: not answered with success. */
export async function upload(
  url: string,
  file: string,
  method: string,
  headers: readonly string[] = [],
): Promise<string | undefined> {
  const fields = ['Expect:', ...headers].flatMap((field) => ['--header', field]);
  const quiet = ['--silent', '--show-error', '--fail', '--output', '/dev/null', '--dump-header', '-'];
  const args = [...quiet, ...fields, '--request', method, '--upload-file', file, url];
  const { stdout } = await runProgram({ command: 'curl', args });
  return /^location: *(\S+)/im.exec(stdout)?.[1];
}

/** Hex SHA-256 of what a GET gives. */
export async function sha256Of(url: string): Promise<string> {
  const hash = createHash('sha256');
  const { body } = await fetch(url);
  for await (const chunk of body ?? []) hash.update(chunk);
  return hash.digest('hex');
}
