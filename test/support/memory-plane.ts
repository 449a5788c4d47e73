/**
 * A data plane that keeps objects in this process's memory: for tests of what decides, thousands of times over, where storing is not what is tested. The
 * conformance kit runs against it (test/dataplane/memory.test.ts), so what it says is what any other would.
 *
 * Durable means here: as long as the object lives. `copy` is what a crash leaves.
 */

import { digestMismatch, sizeMismatch } from '../../lib/dataplane/backend/native-errors.js';
import { checkAddress, checkDigests, checkDurability, checkRange, checkRate } from '../../lib/dataplane/checks.js';
import type { ClosableDataPlane, UploadSession } from '../../lib/dataplane/closable.js';
import { fileSource } from '../../lib/dataplane/file-source.js';
import { MutableIngestTable } from '../../lib/dataplane/ingest-table.js';
import {
  type ByteRange,
  type ByteSource,
  type ContentAddress,
  type FileList,
  type IngestHints,
  type IngestOutcome,
  type IngestResult,
  type IngestTable,
  isBytesSource,
  isFileList,
  pathAt,
  type SessionHints,
  type VerifyOptions,
  type VerifyResult,
} from '../../lib/dataplane/spi.js';
import { digest } from '../../lib/digest.js';
import { formatBlake3, formatSha256, toHex } from '../../lib/digest-name.js';
import { ArtifactStoreError } from '../../lib/errors.js';
import { GROUP_SIZE } from '../../lib/limits.js';
import { Pacer } from '../../lib/pacer.js';

interface Kept {
  bytes: Buffer;
  /** SHA-256 of each group of GROUP_SIZE as it came, to name what is damaged. */
  groups: string[];
  damaged: boolean;
}

const RECEIPT = { backend: 'memory', tier: 'hot', durability: 'synced' } as const;
/** Bytes of a chunk that is served. */
const CHUNK = 64 * GROUP_SIZE;

export class MemoryPlane implements ClosableDataPlane {
  readonly #objects: Map<ContentAddress, Kept>;
  #closed = false;

  constructor(objects: Iterable<[ContentAddress, Kept]> = []) {
    this.#objects = new Map(objects);
  }

  /** What another process would find if this one ended now. */
  copy(): MemoryPlane {
    return new MemoryPlane([...this.#objects].map(([address, kept]) => [address, { ...kept }]));
  }

  /** Flips one bit of a stored byte. */
  damage(address: ContentAddress, offset: number): void {
    const kept = this.#find(address);
    kept.bytes = Buffer.from(kept.bytes);
    kept.bytes[offset] = (kept.bytes[offset] as number) ^ 1;
  }

  async ingestStream<H extends IngestHints | SessionHints>(source: ByteSource, hints: H): Promise<IngestOutcome<H>> {
    this.#requireOpen();
    if (hints.session !== undefined) throw new Error('There are no upload sessions in memory.');
    checkDurability((hints as IngestHints).durability ?? 'durable');
    return this.#keep(await collect(source), hints) as IngestOutcome<H>;
  }

  async ingestMany(sources: readonly ByteSource[] | FileList): Promise<IngestTable> {
    const count = isFileList(sources) ? sources.ends.length : sources.length;
    const table = new MutableIngestTable(count, RECEIPT);
    for (let index = 0; index < count; index++) {
      const source = isFileList(sources) ? fileSource(pathAt(sources, index), {}) : (sources[index] as ByteSource);
      try {
        const { blake3, sha256, size, existed, healed } = await this.ingestStream(source, {});
        table.set(index, { digests: Buffer.concat([blake3, sha256]), size, storedSize: size, existed, healed });
      } catch (error) {
        table.errors.set(index, error as Error);
      }
    }
    return table;
  }

  async *serveObject(address: ContentAddress, range?: ByteRange): AsyncGenerator<Uint8Array> {
    this.#requireOpen();
    checkAddress(address);
    checkRange(range);
    const kept = this.#find(address);
    const { start, end } = range ?? { start: 0, end: kept.bytes.byteLength };
    if (end > kept.bytes.byteLength) {
      const what = `Bytes ${start} to ${end} of ${address} are beyond its ${kept.bytes.byteLength} bytes.`;
      throw new ArtifactStoreError('AS_ERR_RANGE', what, { start, end });
    }
    const ranges = damageOf(kept);
    if (ranges.length > 0) kept.damaged = true;
    if (kept.damaged) throw new ArtifactStoreError('AS_ERR_CORRUPT', `${address} is damaged.`, { ranges });
    for (let at = start; at < end; at += CHUNK)
      yield Uint8Array.from(kept.bytes.subarray(at, Math.min(end, at + CHUNK)));
  }

  serveOutboard(): AsyncIterable<Uint8Array> {
    throw new Error('There are no outboards in memory.');
  }

  async verifyObject(address: ContentAddress, options: VerifyOptions = {}): Promise<VerifyResult> {
    this.#requireOpen();
    checkAddress(address);
    checkDigests(options.digests ?? 'both');
    checkRate(options.bytesPerSecond);
    const kept = this.#objects.get(address);
    if (kept === undefined) return { status: 'missing', size: 0, damaged: [], repaired: false };
    const size = kept.bytes.byteLength;
    if (options.bytesPerSecond !== undefined) {
      const pacer = new Pacer(options.bytesPerSecond);
      for (let at = 0; at < size; at += CHUNK) await pacer.take(Math.min(CHUNK, size - at), options.signal);
    }
    if (options.signal?.aborted) throw new ArtifactStoreError('AS_ERR_ABORTED', 'The verification was given up.');
    const { blake3, sha256 } = digest(kept.bytes);
    const damaged = damageOf(kept);
    kept.damaged = damaged.length > 0;
    const digests = options.digests === 'blake3' ? { blake3 } : { blake3, sha256 };
    return { status: kept.damaged ? 'corrupt' : 'intact', size, ...digests, damaged, repaired: false };
  }

  async deleteObject(address: ContentAddress) {
    this.#requireOpen();
    checkAddress(address);
    const freedSize = this.#objects.get(address)?.bytes.byteLength ?? 0;
    return { deleted: this.#objects.delete(address), freedSize };
  }

  async backendHealth() {
    return { ready: !this.#closed, readOnly: false, backend: RECEIPT.backend, tier: RECEIPT.tier, facts: {} };
  }

  async sync(): Promise<void> {
    this.#requireOpen();
  }

  async compact() {
    return { movedSize: 0, freedSize: 0, removedSegments: 0 };
  }

  async uploadSessions(): Promise<UploadSession[]> {
    return [];
  }

  load() {
    return { workers: 0, busy: 0, waiting: { syncing: 0, quick: 0 } };
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #keep(bytes: Buffer, hints: IngestHints | SessionHints): IngestResult {
    const size = bytes.byteLength;
    if (hints.size !== undefined && hints.size !== size) throw sizeMismatch(size, hints);
    const { blake3, sha256 } = digest(bytes);
    const address = formatBlake3(blake3);
    const isOther = (hints.sha256 ?? formatSha256(sha256)) !== formatSha256(sha256);
    if ((hints.blake3 ?? address) !== address || isOther) throw digestMismatch(Buffer.concat([blake3, sha256]), hints);
    const before = this.#objects.get(address);
    const healed = before?.damaged === true;
    const existed = before !== undefined && !healed;
    if (!existed) this.#objects.set(address, { bytes, groups: groupsOf(bytes), damaged: false });
    return { blake3, sha256, size, existed, healed, receipts: [{ ...RECEIPT, key: toHex(blake3), storedSize: size }] };
  }

  #find(address: ContentAddress): Kept {
    const kept = this.#objects.get(address);
    if (kept === undefined) throw new ArtifactStoreError('AS_ERR_NOT_FOUND', `${address} is not in memory.`);
    return kept;
  }

  #requireOpen(): void {
    if (this.#closed) throw new ArtifactStoreError('AS_ERR_CLOSED', 'The data plane has been closed.');
  }
}

async function collect(source: ByteSource): Promise<Buffer> {
  if (isBytesSource(source)) return Buffer.from(source.bytes);
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

function groupsOf(bytes: Buffer): string[] {
  const count = Math.ceil(bytes.byteLength / GROUP_SIZE);
  return Array.from({ length: count }, (_, n) =>
    toHex(digest(bytes.subarray(n * GROUP_SIZE, (n + 1) * GROUP_SIZE)).sha256),
  );
}

/** Groups that are not as they came, those that follow each other as one range. */
function damageOf({ bytes, groups }: Kept): ByteRange[] {
  const ranges: ByteRange[] = [];
  for (const [n, group] of groupsOf(bytes).entries()) {
    if (group === groups[n]) continue;
    const [start, end] = [n * GROUP_SIZE, Math.min((n + 1) * GROUP_SIZE, bytes.byteLength)];
    const last = ranges.at(-1);
    if (last?.end === start) last.end = end;
    else ranges.push({ start, end });
  }
  return ranges;
}
