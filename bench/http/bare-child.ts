/**
 * The least that an HTTP server of Node can do: whatever is asked for, the same bytes from memory.
 *
 * Usage: node bare-child.js <file>. Prints its address. Imports Node's own modules. Started by bench/http/servers.ts.
 */

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const body = readFileSync(process.argv[2] ?? '');
const headers = { 'Content-Type': 'application/octet-stream', 'Content-Length': body.byteLength };
const server = createServer((_, response) => {
  response.writeHead(200, headers);
  response.end(body);
});
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
