/**
 * TLS in front of a server on loopback, by nginx with a certificate of its own making: what every client of it pays is measured, and nothing is kept or buffered by it.
 *
 * Imports Node's own modules. Called by bench/s3.ts.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';

const NGINX = ['/usr/sbin/nginx', '/usr/bin/nginx'];

/** TLS that runs. */
export interface RunningTls {
  endpoint: string;
  /** Of the certificate that clients are to trust. */
  certificate: string;
  stop(): Promise<void>;
}

/** What is missing for it; empty when nothing is. */
export function missingForTls(): string[] {
  return [...(NGINX.some(existsSync) ? [] : ['nginx']), ...(existsSync('/usr/bin/openssl') ? [] : ['openssl'])];
}

/**
 * Starts it; resolves when it takes connections.
 *
 * @param target plain endpoint behind it
 * @param folder where its own files are made
 * @param port that is free
 */
export async function startTls(target: string, folder: string, port: number): Promise<RunningTls> {
  mkdirSync(folder);
  const [certificate, key] = [join(folder, 'server.pem'), join(folder, 'server.key')];
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-nodes', '-days', '2', '-keyout', key, '-out', certificate];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  execFileSync('/usr/bin/openssl', ['req', '-x509', ...curve, ...subject, ...files], { stdio: 'pipe' });
  const conf = join(folder, 'nginx.conf');
  writeFileSync(conf, configuration(folder, target, port, certificate, key));
  const command = NGINX.find(existsSync) as string;
  // It ends with this process, however that ends.
  const words = ['--pdeathsig', 'TERM', command, '-p', folder, '-c', conf, '-e', join(folder, 'error.log')];
  const child = spawn('/usr/bin/setpriv', words, { stdio: 'ignore' });
  await listening(port, child);
  return { endpoint: `https://127.0.0.1:${port}`, certificate, stop: () => ended(child) };
}

function configuration(folder: string, target: string, port: number, certificate: string, key: string): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  return `daemon off;
worker_processes 1;
${userInfo().uid === 0 ? 'user root;' : ''}
pid ${join(folder, 'pid')};
events { worker_connections 256; }
http {
  access_log off;
  ${paths.join(' ')}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${certificate};
    ssl_certificate_key ${key};
    client_max_body_size 0;
    location / {
      proxy_pass ${target};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_buffer_size 64k;
      proxy_buffers 4 64k;
      proxy_busy_buffers_size 128k;
    }
  }
}
`;
}

async function listening(port: number, child: ChildProcess): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
    const isThere = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isThere) return;
    if (attempt === 100) throw new Error('nginx takes no connections');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}
