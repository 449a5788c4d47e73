/**
 * `GET /metrics`: requests, store and process as Prometheus reads them. Everything is read when it is asked for; requests pay for counting alone.
 *
 * Imports the text format, the exchange and the state of the storage. Called by the router.
 */

import type { BackendStatus } from '../../dataplane/spi.js';
import { counter, EXPOSITION_TYPE, expose, type Family, gauge } from '../../metrics/exposition.js';
import { processFamilies } from '../../metrics/process.js';
import type { Usage } from '../../registry/registry.js';
import type { Store } from '../../store.js';
import type { Answer, Exchange } from './exchange.js';
import { storageStatus } from './health.js';

/** Later than any event. */
const END_OF_TIME = { time: Number.MAX_SAFE_INTEGER };

export async function metrics({ service }: Exchange): Promise<Answer> {
  const { store, phase } = service;
  const families = [
    gauge(
      'artifactstore_ready',
      'Whether the service takes requests: 0 while it starts and ends.',
      Number(phase === 'ready'),
    ),
    ...service.families(),
    ...(store === undefined ? [] : await storeFamilies(store)),
    ...(await processFamilies()),
  ];
  const headers = { 'Content-Type': EXPOSITION_TYPE, 'Cache-Control': 'no-store' };
  return { status: 200, headers, body: expose(families) };
}

async function storeFamilies(store: Store): Promise<Family[]> {
  const [usage, last, storage] = await Promise.all([store.usage(), store.seqAt(END_OF_TIME), storageStatus(store)]);
  const { workers, busy, waiting } = store.load();
  const { ready, freeSize, totalSize, syncLatencyMicros: sync } = storage;
  return [
    gauge('artifactstore_objects', 'Objects that are live.', usage.objects),
    gauge('artifactstore_object_bytes', 'Their bytes.', usage.size),
    gauge('artifactstore_stored_bytes', 'Bytes that they take in the storage, in all tiers.', usage.storedSize),
    counter('artifactstore_log_last_seq', 'Place of the newest event in the log.', last),
    gauge('artifactstore_workers', 'Threads that touch bytes.', workers),
    gauge('artifactstore_workers_busy', 'Threads that are at work.', busy),
    {
      name: 'artifactstore_operations_waiting',
      type: 'gauge',
      help: 'Operations that wait for a thread, by whether they end in a sync to disk.',
      samples: Object.entries(waiting).map(([line, value]) => ({ labels: { line }, value })),
    },
    ...store.dataPlaneFamilies(),
    gauge('artifactstore_storage_ready', 'Whether the storage takes reads and writes.', Number(ready)),
    gauge('artifactstore_storage_free_bytes', 'Bytes that can still be stored.', freeSize),
    gauge('artifactstore_storage_size_bytes', 'Bytes of the volume in all.', totalSize),
    gauge('artifactstore_storage_sync_seconds', 'What one small durable write took last.', sync && sync / 1e6),
    ...(storage.cold === undefined ? [] : coldFamilies(storage.cold, usage)),
  ];
}

/** Of the cold tier, where there is one. Everything else is of the hot one, or of both where it says so. */
function coldFamilies({ ready, freeSize }: BackendStatus, { cold }: Usage): Family[] {
  const { objects, storedSize } = cold ?? { objects: 0, storedSize: 0 };
  return [
    gauge('artifactstore_cold_objects', 'Live objects of which a copy is in the cold tier.', objects),
    gauge('artifactstore_cold_stored_bytes', 'Bytes that these copies take.', storedSize),
    gauge('artifactstore_cold_storage_ready', 'Whether the cold tier takes reads and writes.', Number(ready)),
    gauge('artifactstore_cold_storage_free_bytes', 'Bytes that can still be stored in the cold tier.', freeSize),
  ];
}
