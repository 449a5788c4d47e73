/** A service in a process of its own, whose memory memory.test.ts watches. Argument: how the store is opened, as JSON. Ends when its parent lets go. */

import { startServer } from '../../lib/api/http/server.js';
import { openStore, type StoreOptions } from '../../lib/index.js';

const store = await openStore(JSON.parse(process.argv[2] as string) as StoreOptions);
const server = await startServer(store, { port: 0 });
process.once('disconnect', async () => {
  await server.close();
  await store.close();
});
process.send?.({ url: server.url });
