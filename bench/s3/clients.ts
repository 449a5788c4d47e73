/**
 * Programs that put a file into a bucket and get it out again: ours, and those that people use, each as it comes.
 *
 * Imports the other benchmarks' helpers. Called by bench/s3.ts.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, type Program } from '../programs.js';
import { PACKAGE_ROOT } from '../root.js';

/** Debian's, where it is there: what a version manager puts before it starts a shell of its own first. */
const DEBIAN_AWS = ['/usr/bin/aws'];

/** What is moved. */
export interface Move {
  /** The local file, read or written. */
  file: string;
  /** A name that nobody has used, within the bucket. */
  key: string;
  /** A folder of this round. */
  folder: string;
  /** What putting printed; only when getting. */
  printed: string;
}

export interface Client {
  name: string;
  put(move: Move): Program;
  get(move: Move): Program;
}

export interface Server {
  endpoint: string;
  bucket: string;
  environment: Record<string, string>;
  /** File of the certificate that is to be trusted, where it speaks TLS. */
  certificate?: string;
}

/** Ours first, then whichever of the others are installed. */
export function clientsOf(server: Server): Client[] {
  return [ours(server), ...[awscli(server), rclone(server)].filter((client) => client !== undefined)];
}

function ours({ endpoint, bucket, environment, certificate }: Server): Client {
  const run = ({ folder, key }: Move, ...words: string[]): Program => ({
    command: process.execPath,
    args: [
      join(PACKAGE_ROOT, 'dist/lib/cli/main.cjs'),
      ...[
        '--store',
        join(folder, 'store'),
        '--dataplane',
        `s3://${bucket}/${key}`,
        '--s3-endpoint',
        endpoint,
        '--quiet',
      ],
      ...words,
    ],
    env: { ...environment, ...(certificate && { AWS_CA_BUNDLE: certificate }) },
  });
  return {
    name: 'artifactstore',
    put: (move) => run(move, '--json', 'put', move.file),
    get: (move) => run(move, 'get', (JSON.parse(move.printed) as { blake3: string }).blake3, '--output', move.file),
  };
}

function awscli({ endpoint, bucket, environment, certificate }: Server): Client | undefined {
  const command = DEBIAN_AWS.find(existsSync) ?? findProgram('aws');
  if (command === undefined) return undefined;
  const env = {
    ...environment,
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    ...(certificate && { AWS_CA_BUNDLE: certificate }),
  };
  const copy = (from: string, to: string): Program => ({
    command,
    args: ['--endpoint-url', endpoint, 's3', 'cp', '--no-progress', from, to],
    env,
  });
  return {
    name: 'awscli',
    put: ({ file, key }) => copy(file, `s3://${bucket}/${key}`),
    get: ({ file, key }) => copy(`s3://${bucket}/${key}`, file),
  };
}

function rclone({ endpoint, bucket, environment, certificate }: Server): Client | undefined {
  const command = findProgram('rclone');
  if (command === undefined) return undefined;
  const env = {
    RCLONE_CONFIG: '/dev/null',
    AWS_CA_BUNDLE: '', // this client fails over a bundle that others take, and has a variable of its own
    ...(certificate && { RCLONE_CA_CERT: certificate }),
    RCLONE_CONFIG_SERVER_TYPE: 's3',
    RCLONE_CONFIG_SERVER_PROVIDER: 'Other',
    RCLONE_CONFIG_SERVER_ENDPOINT: endpoint,
    RCLONE_CONFIG_SERVER_ACCESS_KEY_ID: environment.AWS_ACCESS_KEY_ID ?? '',
    RCLONE_CONFIG_SERVER_SECRET_ACCESS_KEY: environment.AWS_SECRET_ACCESS_KEY ?? '',
    RCLONE_CONFIG_SERVER_REGION: 'us-east-1',
  };
  const copy = (from: string, to: string): Program => ({ command, args: ['copyto', from, to], env });
  return {
    name: 'rclone',
    put: ({ file, key }) => copy(file, `server:${bucket}/${key}`),
    get: ({ file, key }) => copy(`server:${bucket}/${key}`, file),
  };
}
