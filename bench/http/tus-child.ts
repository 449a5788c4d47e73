/**
 * @tus/server with its file store, as its documentation begins.
 *
 * Usage: node tus-child.js <folder>. Prints its address. Imports the peers. Started by bench/http/servers.ts.
 */

import type { Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadPeer } from '../peers.js';

interface TusServer {
  listen(port: number, host: string, onListening: () => void): HttpServer;
}

type Tus = { Server: new (options: { path: string; datastore: unknown }) => TusServer };
type Files = { FileStore: new (options: { directory: string }) => unknown };

const tus = await loadPeer<Tus>('@tus/server');
const files = await loadPeer<Files>('@tus/file-store');
if (tus === undefined || files === undefined) throw new Error('@tus/server is not installed');
const datastore = new files.module.FileStore({ directory: process.argv[2] ?? '' });
const server = new tus.module.Server({ path: '/files', datastore }).listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
