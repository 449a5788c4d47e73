/** Certificates for tests, made by openssl: an authority, a service and a client of it, and a client of another. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Pair {
  cert: string;
  key: string;
  /** Where they are. */
  certFile: string;
  keyFile: string;
}

/** An authority in a folder. */
export class Authority {
  readonly certFile: string;
  readonly #keyFile: string;

  constructor(
    private readonly folder: string,
    name: string,
  ) {
    mkdirSync(folder, { recursive: true });
    this.certFile = join(folder, `${name}.pem`);
    this.#keyFile = join(folder, `${name}.key`);
    this.#openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', [
      '-subj',
      `/CN=${name}`,
      '-keyout',
      this.#keyFile,
      '-out',
      this.certFile,
    ]);
  }

  get cert(): string {
    return readFileSync(this.certFile, 'utf8');
  }

  /** A certificate of this authority for 127.0.0.1 and localhost, with a name. */
  issue(name: string): Pair {
    const [keyFile, certFile, request, extensions] = ['key', 'pem', 'csr', 'ext'].map((kind) =>
      join(this.folder, `${name}.${kind}`),
    ) as [string, string, string, string];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    this.#openssl('req', ...curve, ['-subj', `/O=Example/CN=${name}`, '-keyout', keyFile, '-out', request]);
    writeFileSync(extensions, 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
    const by = ['-CA', this.certFile, '-CAkey', this.#keyFile, '-CAcreateserial', '-days', '2'];
    this.#openssl('x509', '-req', ...by, ['-in', request, '-extfile', extensions, '-out', certFile]);
    const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')];
    return { cert, key, certFile, keyFile };
  }

  #openssl(...args: (string | string[])[]): void {
    execFileSync('openssl', args.flat(), { stdio: 'pipe' });
  }
}
