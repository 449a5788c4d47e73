/** A service in a process of its own, whose memory memory.test.ts watches. Argument: folder of the store. Ends when its parent lets go. */

import { startServer } from '../../lib/api/http/server.js';
import { openStore } from '../../lib/index.js';

const store = await openStore({ path: process.argv[2] as string });
const server = await startServer(store, { port: 0 });
process.once('disconnect', async () => {
  await server.close();
  await store.close();
});
process.send?.({ url: server.url });
