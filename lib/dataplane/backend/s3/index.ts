/**
 * The data plane whose bytes are on an S3-compatible store.
 *
 * Small objects are hashed in memory and stored in one request; large ones pass through the spool, a local data plane, which hashes and checks them, and go up in parts.
 * What is there already is not sent. What is read is verified here before it is given; the server is believed in nothing. Picked by the composition root. ADR 0030 says
 * why it is so; docs/operations.md, how to run it.
 */

import { digest } from '../../../digest.js';
import { digestBytes, formatBlake3, toHex } from '../../../digest-name.js';
import { ArtifactStoreError, isStoreError } from '../../../errors.js';
import {
  DIGEST_SIZE,
  GROUP_SIZE,
  READS_REMEMBERED_MAX,
  S3_ABANDONED_MS,
  S3_HEALTH_TIMEOUT_MS,
  S3_NOTICES_KEPT,
  S3_SMALL_IN_FLIGHT,
  S3_SMALL_SIZE_MAX,
} from '../../../limits.js';
import { counter, type Family } from '../../../metrics/exposition.js';
import { Hasher } from '../../../native/hasher.js';
import type { WorkerLoad } from '../../../native/scheduler.js';
import { checkAddress, checkDigests, checkDurability, checkRange, checkRate } from '../../checks.js';
import type { ClosableDataPlane, UploadSession } from '../../closable.js';
import { fileSource } from '../../file-source.js';
import type { CompactionReport, CompactionWatch } from '../../inproc/compaction.js';
import { Permits } from '../../inproc/permits.js';
import {
  type BackendStatus,
  type ByteRange,
  type ByteSource,
  type CommonReceipt,
  type ContentAddress,
  type DeletionResult,
  type FileList,
  type FileSink,
  type IngestHints,
  type IngestOutcome,
  type IngestResult,
  type IngestTable,
  isFileList,
  pathAt,
  type Receipt,
  type SessionHints,
  type Tier,
  type VerifyOptions,
  type VerifyResult,
} from '../../spi.js';
import { digestMismatch, sizeMismatch } from '../native-errors.js';
import { Bucket, type Stored } from './bucket.js';
import { CredentialChain, providersOf } from './credentials/chain.js';
import type { Environment, Provider } from './credentials/provider.js';
import { collect, resumed } from './download.js';
import { ResultTable } from './ingest-table.js';
import { intoFile } from './into-file.js';
import { Keys } from './keys.js';
import { Marks } from './marks.js';
import { type PlaceSettings, placeOf } from './place.js';
import { type Findings, NOTHING_HONOURED, probe } from './probe.js';
import { knownCorrupt, notFound, type ReadTools, rangeError, readLarge, readNodes, readSmall } from './read.js';
import { Requests } from './requests.js';
import { EMPTY_PAYLOAD_HASH } from './sigv4.js';
import { sized } from './small-source.js';
import { Spool, type Spooled } from './spool.js';
import { spooledContent } from './spooled-content.js';
import { outboardHeader, outboardOf, outboardSize } from './tree.js';
import { Uploader } from './upload.js';
import { verify } from './verify.js';

export interface S3Options extends PlaceSettings {
  /** `s3://bucket` or `s3://bucket/prefix`. The prefix is one store's own. */
  url: string;
  /** A local folder for objects and upload sessions that are on their way; of this process alone. Not needed to read. */
  spool: string;
  /** Never write. Default false. */
  readOnly?: boolean;
  /** How quickly objects come back from there, in receipts. Default `hot`. */
  tier?: Tier;
  /** Worker threads of the spool. */
  threads?: number;
  /** The variables in which credentials are looked for. Default: those of this process. */
  environment?: Environment;
  /** Told in a sentence what went wrong and was dealt with. */
  onNotice?: (sentence: string) => void;
  /** For tests: other places of credentials, bytes of a part, milliseconds after which an upload in parts is abandoned. */
  providers?: readonly Provider[];
  partSize?: number;
  abandonedMs?: number;
}

/**
 * Opens the data plane in a bucket.
 *
 * @throws AS_ERR_UNAVAILABLE: the server cannot be reached; AS_ERR_UNAUTHENTICATED, AS_ERR_FORBIDDEN: it does not let us in; AS_ERR_STORE_MISSING: there is no such bucket
 * @throws AS_ERR_STORE_LOCKED: another process has the spool; AS_ERR_INVALID_ARGUMENT, AS_ERR_IO, AS_ERR_NO_SPACE
 */
export async function openS3(options: S3Options): Promise<ClosableDataPlane> {
  const { url, readOnly = false, environment = process.env } = options;
  const { prefix, ...place } = await placeOf(url, options, environment);
  const chain = new CredentialChain(options.providers ?? providersOf(environment, place.region));
  const notices: string[] = [];
  const notice = (sentence: string) => {
    notices.push(sentence);
    if (notices.length > S3_NOTICES_KEPT) notices.shift();
    options.onNotice?.(sentence);
  };
  const requests = new Requests(place, chain, notice);
  let spool: Spool | undefined;
  try {
    const bucket = new Bucket(requests, notice);
    const keys = new Keys(prefix);
    const marks = new Marks(bucket, keys, readOnly);
    await marks.load();
    const findings = readOnly ? NOTHING_HONOURED : await probe(bucket, keys);
    spool = readOnly ? undefined : await Spool.open(options.spool, options.threads);
    const plane = new S3DataPlane({ options, requests, chain, bucket, keys, marks, findings, spool, notices });
    plane.sweep();
    return plane;
  } catch (error) {
    await spool?.close();
    await requests.close();
    throw error;
  }
}

interface Parts {
  options: S3Options;
  requests: Requests;
  chain: CredentialChain;
  bucket: Bucket;
  keys: Keys;
  marks: Marks;
  findings: Findings;
  /** Absent in one that only reads. */
  spool: Spool | undefined;
  notices: readonly string[];
}

/** An object whose digests are known, and where its bytes are. */
interface Known {
  address: ContentAddress;
  blake3: Uint8Array;
  sha256: Uint8Array;
  size: number;
  /** Stores outboard and object. `present`: somebody else was first. */
  store(onlyIfAbsent: boolean): Promise<Stored | 'present'>;
}

class S3DataPlane implements ClosableDataPlane {
  readonly #parts: Parts;
  readonly #hasher = new Hasher();
  readonly #uploader: Uploader;
  readonly #tools: ReadTools;
  /** One at a time stores or deletes an object. */
  readonly #locks = new Map<ContentAddress, Promise<unknown>>();
  readonly #small = new Permits(S3_SMALL_IN_FLIGHT);
  /** Sizes of objects that were seen, so that reading one takes one request. */
  readonly #sizes = new Map<ContentAddress, number>();
  readonly #tier: Tier;
  #sweeping: Promise<void> | undefined;
  #running = 0;
  #idle: (() => void) | undefined;
  #closed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    const { bucket, keys, options } = parts;
    this.#tier = options.tier ?? 'hot';
    this.#uploader = new Uploader(bucket, this.#hasher, () => parts.findings, options.partSize);
    this.#tools = { bucket, keys, hasher: this.#hasher };
  }

  ingestStream<H extends IngestHints | SessionHints>(source: ByteSource, hints: H): Promise<IngestOutcome<H>> {
    return this.#track(async () => {
      const outcome = hints.session ? this.#ingestSession(source, hints) : this.#ingestWhole(source, hints);
      return (await outcome) as IngestOutcome<H>;
    });
  }

  ingestMany(sources: readonly ByteSource[] | FileList): Promise<IngestTable> {
    return this.#track(async () => {
      const count = isFileList(sources) ? sources.ends.length : sources.length;
      const receipt: CommonReceipt = { backend: 's3', tier: this.#tier, durability: 'replicated' };
      const table = new ResultTable(count, receipt);
      let next = 0;
      const work = async () => {
        while (next < count) {
          const index = next++;
          try {
            const source = isFileList(sources) ? fileAt(sources, index) : (sources[index] as ByteSource);
            table.add(index, await this.#ingestWhole(source, {}));
          } catch (error) {
            table.errors.set(index, error as Error);
          }
        }
      };
      await Promise.all(Array.from({ length: S3_SMALL_IN_FLIGHT }, work));
      return table;
    });
  }

  /** Nothing is ever deferred. */
  sync(): Promise<void> {
    return this.#track(async () => undefined);
  }

  uploadSessions(): Promise<UploadSession[]> {
    return this.#track(async () => this.#parts.spool?.plane.uploadSessions() ?? []);
  }

  load(): WorkerLoad {
    return this.#parts.spool?.plane.load() ?? { workers: 0, busy: 0, waiting: { syncing: 0, quick: 0 } };
  }

  families(): Family[] {
    const { requests, retries, failures } = this.#parts.requests.counts;
    return [
      counter('artifactstore_s3_requests_total', 'Requests sent to the S3 server, repeated ones too.', requests),
      counter(
        'artifactstore_s3_retries_total',
        'Requests that were sent again: the server was busy, or a connection broke.',
        retries,
      ),
      counter('artifactstore_s3_failures_total', 'Requests that were given up after all attempts.', failures),
    ];
  }

  async *serveObject(address: ContentAddress, range?: ByteRange): AsyncGenerator<Uint8Array> {
    this.#refuseClosed();
    checkAddress(address);
    checkRange(range);
    if (this.#parts.marks.has(address)) throw knownCorrupt(address);
    const isNothing = range !== undefined && range.start === range.end;
    // Who asks for nothing asks whether it is there.
    const size = isNothing ? await this.#lookUp(address) : (this.#sizes.get(address) ?? (await this.#lookUp(address)));
    const wanted = range ?? { start: 0, end: size };
    if (wanted.end > size) throw rangeError(address, wanted, size);
    if (isNothing) return;
    try {
      if (size > S3_SMALL_SIZE_MAX) yield* readLarge(this.#tools, address, size, wanted);
      else yield* this.#serveSmall(address, size, wanted);
    } catch (error) {
      await this.#noteFailure(address, error);
      throw error;
    }
  }

  async *#serveSmall(address: ContentAddress, size: number, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
    const bytes = await this.#small.run(() => readSmall(this.#tools, address, size));
    const part = bytes.subarray(start, end);
    if (part.byteLength > 0) yield part;
  }

  async *serveOutboard(address: ContentAddress, range?: ByteRange): AsyncGenerator<Uint8Array> {
    this.#refuseClosed();
    checkAddress(address);
    checkRange(range);
    if (this.#parts.marks.has(address)) throw knownCorrupt(address);
    const size = await this.#lookUp(address);
    const wanted = range ?? { start: 0, end: size };
    if (wanted.end > size) throw rangeError(address, wanted, size);
    if (size <= GROUP_SIZE || wanted.start === wanted.end) return;
    try {
      const isSmall = size <= S3_SMALL_SIZE_MAX;
      const outboard = isSmall ? outboardOf(await readSmall(this.#tools, address, size)) : undefined;
      yield* readNodes(this.#tools, address, size, wanted, outboard);
    } catch (error) {
      await this.#noteFailure(address, error);
      throw error;
    }
  }

  serveFile(address: ContentAddress, sink: FileSink, range?: ByteRange): Promise<boolean> {
    return this.#track(() => intoFile(this.serveObject(address, range), sink));
  }

  verifyObject(address: ContentAddress, options: VerifyOptions = {}): Promise<VerifyResult> {
    return this.#track(async () => {
      checkAddress(address);
      checkDigests(options.digests ?? 'both');
      checkRate(options.bytesPerSecond);
      let found = await this.#small.run(() => verify(this.#tools, address, options));
      // A connection may have changed what was read: what is damaged is so twice.
      if (found.status === 'corrupt') found = await verify(this.#tools, address, options);
      const { outboardWrong, ...result } = found;
      const { marks } = this.#parts;
      if (result.status === 'corrupt') await marks.set(address);
      const isRepaired = outboardWrong && (await this.#repairOutboard(address));
      if (result.status === 'intact' && (!outboardWrong || isRepaired)) await marks.clear(address);
      return { ...result, repaired: isRepaired };
    });
  }

  deleteObject(address: ContentAddress): Promise<DeletionResult> {
    return this.#track(async () => {
      checkAddress(address);
      this.#requireWritable();
      const { bucket, keys, marks } = this.#parts;
      return this.#locked(address, async () => {
        const found = await bucket.head(keys.object(address));
        this.#sizes.delete(address);
        if (found !== undefined) {
          await bucket.remove(keys.object(address));
          if (outboardSize(found.size) > 0) await bucket.remove(keys.outboard(address));
        }
        await marks.clear(address);
        return {
          deleted: found !== undefined,
          freedSize: found === undefined ? 0 : found.size + outboardSize(found.size),
        };
      });
    });
  }

  /** What needs no decision here: uploads in parts that nobody ends, and space in the spool. */
  compact(watch?: CompactionWatch): Promise<CompactionReport> {
    return this.#track(async () => {
      await this.sweep();
      const { spool } = this.#parts;
      return (await spool?.plane.compact(watch)) ?? { movedSize: 0, freedSize: 0, removedSegments: 0 };
    });
  }

  /** Gives up uploads in parts that nobody has ended for long. Beside everything else; never fails. */
  sweep(): Promise<void> {
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  async #sweep(): Promise<void> {
    const { bucket, keys, spool, options } = this.#parts;
    if (spool === undefined) return;
    try {
      const before = Date.now() - (options.abandonedMs ?? S3_ABANDONED_MS);
      for (const { key, uploadId, begun } of await bucket.unended(keys.objects)) {
        if (this.#closed) return;
        if (!(begun <= before)) continue;
        await bucket.dropParts(key, uploadId);
        bucket.notice(
          `An upload of ${key} in parts that was begun at ${new Date(begun).toISOString()} and never ended was given up.`,
        );
      }
    } catch (error) {
      if (!this.#closed) bucket.notice(`Abandoned uploads were not looked for: ${(error as Error).message}`);
    }
  }

  async backendHealth(): Promise<BackendStatus> {
    const { bucket, keys, marks, findings, chain, spool, options, notices, requests } = this.#parts;
    const { endpoint, region, pathStyle } = bucket.place;
    const last = notices.at(-1);
    const facts: Record<string, string> = {
      ...findings.facts,
      dataPlane: 's3',
      place: options.url,
      endpoint,
      region,
      addressing: pathStyle ? 'path' : 'virtual host',
      requests: `${requests.counts.requests}, of which ${requests.counts.retries} repeated and ${requests.counts.failures} given up`,
      ...(chain.source !== undefined && { credentials: chain.source }),
      ...(spool !== undefined && { spool: spool.path }),
      ...(last !== undefined && { lastTrouble: last }),
    };
    const status = { readOnly: spool === undefined, backend: 's3', tier: this.#tier, facts };
    try {
      this.#refuseClosed();
      const limits = { attempts: 1, timeoutMs: S3_HEALTH_TIMEOUT_MS };
      await marks.load();
      if (spool === undefined) return { ...status, ready: true };
      const began = performance.now();
      await bucket.put(keys.probe('health'), { body: new Uint8Array(), sha256: EMPTY_PAYLOAD_HASH }, limits);
      const syncLatencyMicros = Math.round((performance.now() - began) * 1000);
      const local = await spool.plane.backendHealth();
      const problem = local.ready ? undefined : `The spool is not ready: ${local.problem}`;
      return { ...status, ready: local.ready, syncLatencyMicros, ...(problem !== undefined && { problem }) };
    } catch (error) {
      return { ...status, ready: false, problem: (error as Error).message };
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#running > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    await this.#sweeping;
    try {
      await this.#parts.spool?.close();
    } finally {
      await this.#hasher.close();
      await this.#parts.requests.close();
    }
  }

  async #ingestWhole(source: ByteSource, hints: IngestHints): Promise<IngestResult> {
    this.#requireWritable();
    checkDurability(hints.durability ?? 'durable');
    checkSizeHint(hints);
    const given = await sized(source, hints);
    if ('bytes' in given) return this.#small.run(() => this.#ingestSmall(given.bytes, hints));
    const spooled = await this.#spool().take(given.source, hints);
    try {
      return await this.#ingestSpooled(spooled);
    } finally {
      await spooled.release();
    }
  }

  async #ingestSession(source: ByteSource, hints: SessionHints) {
    const { session } = hints;
    if (!('query' in session)) this.#requireWritable();
    const isLast = 'final' in session && session.final;
    return isLast
      ? this.#spool().end(source, hints, (spooled) => this.#ingestSpooled(spooled))
      : this.#spool().session(source, hints);
  }

  #ingestSmall(bytes: Uint8Array, hints: IngestHints): Promise<IngestResult> {
    const { blake3, sha256 } = digest(bytes);
    const size = bytes.byteLength;
    checkHints(blake3, sha256, size, hints);
    const address = formatBlake3(blake3);
    return this.#store({
      address,
      blake3,
      sha256,
      size,
      store: (onlyIfAbsent) => this.#putSmall(address, sha256, bytes, onlyIfAbsent),
    });
  }

  async #ingestSpooled({ result, address }: Spooled): Promise<IngestResult> {
    const { blake3, sha256, size } = result;
    const { plane } = this.#spool();
    const store = async (onlyIfAbsent: boolean) => {
      try {
        if (size > S3_SMALL_SIZE_MAX) return await this.#putLarge(address, sha256, size, onlyIfAbsent);
        const bytes = await collect(plane.serveObject(address), size);
        return await this.#putSmall(address, sha256, bytes, onlyIfAbsent);
      } catch (error) {
        // Somebody else has stored the same bytes and was done with them, and then they were deleted: as rare as it sounds.
        if (!isStoreError(error, 'AS_ERR_NOT_FOUND')) throw error;
        throw new ArtifactStoreError(
          'AS_ERR_CONFLICT',
          `${address} was deleted while it was being stored. Store it again.`,
          { address },
        );
      }
    };
    return this.#store({ address, blake3, sha256, size, store });
  }

  /** Stores an object unless it is there, and looks after damage that is known. */
  #store({ address, blake3, sha256, size, store }: Known): Promise<IngestResult> {
    return this.#locked(address, async () => {
      const { bucket, keys, marks, findings } = this.#parts;
      const found = await bucket.head(keys.object(address));
      const isWhole = found !== undefined && found.size === size && !marks.has(address);
      const result = (stored: Stored, existed: boolean, healed: boolean): IngestResult => {
        this.#remember(address, size);
        return { blake3, sha256, size, existed, healed, receipts: [this.#receipt(address, size, stored)] };
      };
      if (isWhole) return result(found, true, false);
      const isDamaged = found !== undefined;
      const stored = await store(findings.conditionalPut && !isDamaged);
      if (stored !== 'present') {
        await marks.clear(address);
        return result(stored, false, isDamaged);
      }
      const other = await bucket.head(keys.object(address));
      if (other?.size === size) return result(other, true, false);
      // Gone again, or not whole: the same bytes may be written over it whatever it is.
      return result((await store(false)) as Stored, false, other !== undefined);
    });
  }

  async #putSmall(address: ContentAddress, sha256: Uint8Array, bytes: Uint8Array, onlyIfAbsent: boolean) {
    const { keys } = this.#parts;
    // The outboard first: where the object is, its outboard is.
    if (bytes.byteLength > GROUP_SIZE) {
      const outboard = outboardOf(bytes);
      await this.#uploader.putBytes(keys.outboard(address), outboard, toHex(digest(outboard).sha256), {});
    }
    const hex = toHex(sha256);
    return this.#uploader.putBytes(keys.object(address), bytes, hex, { metadata: { sha256: hex }, onlyIfAbsent });
  }

  async #putLarge(address: ContentAddress, sha256: Uint8Array, size: number, onlyIfAbsent: boolean) {
    const { keys } = this.#parts;
    const spool = this.#spool();
    await this.#putOutboard(address, size, spool.plane);
    const content = spooledContent(spool, this.#hasher, address, size);
    return this.#uploader.put(keys.object(address), content, { metadata: { sha256: toHex(sha256) }, onlyIfAbsent });
  }

  async #putOutboard(address: ContentAddress, size: number, plane: ClosableDataPlane): Promise<void> {
    async function* bytes() {
      yield outboardHeader(size);
      yield* plane.serveOutboard(address);
    }
    await this.#uploader.put(this.#parts.keys.outboard(address), { size: outboardSize(size), read: bytes }, {});
  }

  /** Makes the outboard of an object anew, whose bytes are whole. False: it could not be done here. */
  async #repairOutboard(address: ContentAddress): Promise<boolean> {
    const { bucket, keys, spool } = this.#parts;
    if (spool === undefined) return false;
    return this.#locked(address, async () => {
      const coming = await resumed(bucket, keys.object(address));
      if (coming === undefined) return false;
      if (coming.size <= S3_SMALL_SIZE_MAX) {
        const outboard = outboardOf(await collect(coming.bytes, coming.size));
        await this.#uploader.putBytes(keys.outboard(address), outboard, toHex(digest(outboard).sha256), {});
        return true;
      }
      const spooled = await spool.take(coming.bytes, { blake3: address });
      try {
        await this.#putOutboard(address, spooled.result.size, spool.plane);
        return true;
      } finally {
        await spooled.release();
      }
    });
  }

  #receipt(address: ContentAddress, size: number, { etag, version }: Stored): Receipt {
    return {
      backend: 's3',
      tier: this.#tier,
      key: this.#parts.keys.object(address),
      storedSize: size + outboardSize(size),
      durability: 'replicated',
      bucket: this.#parts.bucket.place.bucket,
      ...(etag !== undefined && { etag }),
      ...(version !== undefined && { version }),
    };
  }

  /** The size of an object that is there. Throws AS_ERR_NOT_FOUND. */
  async #lookUp(address: ContentAddress): Promise<number> {
    const { bucket, keys } = this.#parts;
    const found = await bucket.head(keys.object(address));
    if (found === undefined) throw notFound(address);
    this.#remember(address, found.size);
    return found.size;
  }

  #remember(address: ContentAddress, size: number): void {
    this.#sizes.set(address, size);
    if (this.#sizes.size <= READS_REMEMBERED_MAX) return;
    for (const oldest of this.#sizes.keys()) {
      this.#sizes.delete(oldest);
      break;
    }
  }

  async #noteFailure(address: ContentAddress, error: unknown): Promise<void> {
    if (isStoreError(error, 'AS_ERR_NOT_FOUND', 'AS_ERR_CORRUPT')) this.#sizes.delete(address);
    if (isStoreError(error, 'AS_ERR_CORRUPT')) await this.#parts.marks.set(address);
  }

  /** Runs `work` while nobody else stores or deletes the object. */
  #locked<T>(address: ContentAddress, work: () => Promise<T>): Promise<T> {
    const before = this.#locks.get(address) ?? Promise.resolve();
    const run = before.then(work, work);
    const settled = run
      .catch(() => undefined)
      .finally(() => {
        if (this.#locks.get(address) === settled) this.#locks.delete(address);
      });
    this.#locks.set(address, settled);
    return run;
  }

  #spool(): Spool {
    const { spool } = this.#parts;
    if (spool === undefined) throw readOnlyError();
    return spool;
  }

  #requireWritable(): void {
    this.#spool();
  }

  #refuseClosed(): void {
    if (this.#closed) throw new ArtifactStoreError('AS_ERR_CLOSED', 'The store is closed; open it again.');
  }

  /** Counts an operation, so that `close` waits for it. */
  async #track<T>(run: () => Promise<T>): Promise<T> {
    this.#refuseClosed();
    this.#running++;
    try {
      return await run();
    } finally {
      if (--this.#running === 0) this.#idle?.();
    }
  }
}

function fileAt(files: FileList, index: number): ByteSource {
  const { onRead, signal } = files;
  return fileSource(pathAt(files, index).slice(), { ...(onRead && { onRead }), ...(signal && { signal }) });
}

function checkSizeHint({ size }: IngestHints): void {
  if (size === undefined || (Number.isSafeInteger(size) && size >= 0)) return;
  throw new ArtifactStoreError(
    'AS_ERR_INVALID_ARGUMENT',
    `size ${size} is not a number of bytes; give an integer from 0 to 2^53-1.`,
  );
}

/** Throws AS_ERR_SIZE_MISMATCH, AS_ERR_DIGEST_MISMATCH: the bytes are not those expected. */
function checkHints(blake3: Uint8Array, sha256: Uint8Array, size: number, hints: IngestHints): void {
  if (hints.size !== undefined && hints.size !== size) throw sizeMismatch(size, hints);
  const isRight = (expected: string | undefined, actual: Uint8Array) =>
    expected === undefined || Buffer.compare(digestBytes(expected as ContentAddress), actual) === 0;
  if (isRight(hints.blake3, blake3) && isRight(hints.sha256, sha256)) return;
  const came = new Uint8Array(2 * DIGEST_SIZE);
  came.set(blake3);
  came.set(sha256, DIGEST_SIZE);
  throw digestMismatch(came, hints);
}

function readOnlyError(): ArtifactStoreError {
  return new ArtifactStoreError('AS_ERR_READ_ONLY', 'The store is open for reading. Open it for writing to change it.');
}
