/** A service in a process of its own, for uploads.test.ts to kill. Arguments: folder of the store, port. */

import { startServer } from '../../lib/api/http/server.js';
import { openStore } from '../../lib/index.js';

const [path, port] = process.argv.slice(2) as [string, string];
const store = await openStore({ path, threads: 2 });
const server = await startServer(store, { port: Number(port) });
process.send?.({ url: server.url });
