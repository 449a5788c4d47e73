/**
 * The contract between control plane and data plane: five operations, nothing else; the first of them also for many objects at once, the
 * second also into a local file.
 *
 * The control plane decides (registry, events, retention, doors); a data plane touches bytes (hashing, storage). Whoever
 * implements `DataPlane` can replace ours, in this process or behind a socket: the control plane cannot tell. To check an
 * implementation, run the conformance kit in `test/dataplane/conformance.ts` against it.
 *
 * Rules that hold for every operation
 * - Parameters and results are plain data that canonical CBOR can carry: byte strings, text, safe integers, booleans, null,
 *   arrays, text-keyed maps. Streams are `AsyncIterable<Uint8Array>`. An optional member is absent, never `undefined`.
 * - Failures are `ArtifactStoreError`s with the codes named here. An error never leaves anything half done that a later
 *   call could see.
 * - All operations may run at the same time, on the same object too.
 * - Bytes are durable before `ingestStream` resolves, unless the caller has put that off (`Durability`), and verified before `serveObject`
 *   yields them.
 */

/** The primary name of an object: `blake3:` and 64 lower-case hex digits. */
export type ContentAddress = `blake3:${string}`;

/** The other name of the same bytes: `sha256:` and 64 lower-case hex digits. */
export type Sha256Digest = `sha256:${string}`;

/** Either name. */
export type Digest = ContentAddress | Sha256Digest;

/** Bytes [start, end) of an object, 0 ≤ start ≤ end ≤ size; a range past the end is an error, never clipped. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * A stream of bytes, read once, chunks of any size including empty ones. A chunk belongs to its reader until the next one is asked
 * for. The data plane asks for the next chunk only when it has room (back-pressure), and calls the iterator's `return` when it stops early.
 */
export type ByteSource = AsyncIterable<Uint8Array>;

/**
 * A source that is also a regular file. A data plane on the same host may read the file itself instead of iterating; it then
 * reports a file that changed meanwhile with AS_ERR_SOURCE_CHANGED.
 */
export interface FileSource extends ByteSource {
  /** Absolute path; raw bytes for a name that is not UTF-8. */
  readonly path: string | Uint8Array;
  /** Told how many further bytes were read, when the data plane reads the file itself: what iterating would have shown. */
  readonly onRead?: (size: number) => void;
  /** Aborted: the data plane stops reading soon and fails with AS_ERR_ABORTED. */
  readonly signal?: AbortSignal;
}

/** Many local files in one piece of memory, as a walk finds them: what a list of `FileSource` says, at a fraction of its price. */
export interface FileList {
  /** Absolute paths as raw bytes, one behind the other. */
  readonly paths: Uint8Array;
  /** Where each ends. */
  readonly ends: Uint32Array;
  /** Told how many further bytes were read, of all files together. */
  readonly onRead?: (size: number) => void;
  /** Aborted: the data plane stops reading soon; what it has not stored fails with AS_ERR_ABORTED. */
  readonly signal?: AbortSignal;
}

/** The path at `index`: its bytes, not a copy. */
export function pathAt({ paths, ends }: Pick<FileList, 'paths' | 'ends'>, index: number): Uint8Array {
  return paths.subarray(index === 0 ? 0 : ends[index - 1], ends[index]);
}

/** Whether sources are a list of files. */
export function isFileList(sources: readonly unknown[] | FileList): sources is FileList {
  return 'paths' in sources;
}

/**
 * A source whose bytes come over a socket of this machine, which an implementation on the same host may receive itself: the mirror of `serveSocket`. One that
 * cannot iterates it as any other.
 */
export interface SocketSource extends ByteSource {
  /**
   * Gives the socket away, before iteration begins or between two of its steps. Undefined: it cannot be had, or is not worth it; go on iterating. Who gets it takes
   * all `before`, then exactly `size` bytes, or all pieces, from the socket, and iterates no more.
   */
  giveSocket(): Promise<GivenSocket | undefined>;
}

/** A socket that was given away. */
export interface GivenSocket {
  /** Of the socket at this moment; -1 once it is closed. Its owner may close it at any time: keep one of your own before waiting for anything. */
  readonly descriptor: number;
  /** What had come already, to be asked for once. The memory goes with the socket: whoever gets it may write there, or give it back. */
  readonly before: Iterable<Uint8Array>;
  /** Bytes still to come; or `pieces`: nobody knows how many. They come in pieces then, each behind its size as four bytes, the first the highest, until what stands there is no size of a piece. */
  readonly size: number | 'pieces';
  /**
   * Told how many bytes have been received, 0 included, where nothing came. Throws what iterating would have: the sender was silent for too long, or its connection
   * is gone.
   */
  took(size: number): void;
  /**
   * Of what comes in pieces: told what stood where the size of one is expected, 0 or more than 16 MiB, and has been received as the last. Throws what iterating would
   * have, where that is not the end of the stream.
   */
  ended?(mark: number): Promise<void>;
}

/** Whether a source may give its socket away. */
export function isSocketSource(source: ByteSource): source is SocketSource {
  return typeof (source as Partial<SocketSource>).giveSocket === 'function';
}

/** Whether a source is a file that the data plane may open itself. */
export function isFileSource(source: ByteSource): source is FileSource {
  const { path } = source as Partial<FileSource>;
  return typeof path === 'string' || path instanceof Uint8Array;
}

/**
 * A local file as the place for bytes of an object: an empty regular file, or a device. Whoever names it has made it, and names, syncs or
 * removes it afterwards; until then nobody else writes to it. The mirror of `FileSource`.
 */
export interface FileSink {
  /** Absolute path; raw bytes for a name that is not UTF-8. */
  readonly path: string | Uint8Array;
  /** Told how many further bytes the file has. */
  readonly onWrite?: (size: number) => void;
  /** Aborted: the data plane stops soon and fails with AS_ERR_ABORTED. */
  readonly signal?: AbortSignal;
}

/** A source whose bytes are all in memory: what iterating gives as one chunk. They must not change until the ingest has ended. */
export interface BytesSource extends ByteSource {
  readonly bytes: Uint8Array;
}

/** Whether all bytes of a source are at hand. */
export function isBytesSource(source: ByteSource): source is BytesSource {
  return (source as Partial<BytesSource>).bytes instanceof Uint8Array;
}

/** What the caller knows about the bytes before they come. What is given is checked before anything becomes visible. */
export interface ObjectHints {
  /** The bytes must have this BLAKE3 digest, else AS_ERR_DIGEST_MISMATCH. */
  blake3?: ContentAddress;
  /** The bytes must have this SHA-256 digest, else AS_ERR_DIGEST_MISMATCH. */
  sha256?: Sha256Digest;
  /** The stream must be this many bytes, else AS_ERR_SIZE_MISMATCH: how a truncated upload is noticed. */
  size?: number;
}

/**
 * When the bytes of an ingest are durable. `durable`, the default: when it resolves. `deferred`: at the latest when a barrier of the data
 * plane, asked for later, has resolved (`sync` of ours); one without a barrier takes it for `durable`. It is a hint: the receipts say what was done.
 *
 * Until then a power cut or a crash may take the object. It is then absent, or known to be damaged, which counts as absent; it is never
 * served wrong. Before the barrier too it may be absent for readers (AS_ERR_NOT_FOUND), or be there, as the data plane likes.
 */
export type Durability = 'durable' | 'deferred';

/** The hints of an ingest that takes a whole object in one call. */
export interface IngestHints extends ObjectHints {
  session?: never;
  durability?: Durability;
}

/**
 * One call of an upload session: an ingest that goes on over several calls, and over crashes and restarts between them.
 *
 * A session is known by an id, 1 to 64 of A to Z, a to z, 0 to 9, _ and -, which the caller chooses; whoever knows it can go on with it. It
 * holds the first bytes of an object, and how many of them are durable, its offset. Nothing else of it is promised: an object is visible
 * only when the session has ended. The data plane keeps a session until it ends or is aborted; when to give up on one is for the
 * control plane.
 */
export type SessionStep<Final extends boolean = boolean> = SessionAppend<Final> | SessionQuery | SessionAbort;

/** Appends the bytes of the source. */
export interface SessionAppend<Final extends boolean = boolean> {
  id: string;
  /**
   * Where these bytes begin in the object: the session's offset. Any other is refused with AS_ERR_OFFSET, whose `details.expected` is the
   * right one, and changes nothing. Offset 0 makes a session that is not there.
   */
  offset: number;
  /**
   * Whether the object ends with these bytes. If not, the answer comes when all of them are durable, and is how far the session has come.
   * If so, what the hints expect of the object is checked, the object is stored, and the answer is that of any ingest; the session is gone,
   * and a repetition of the call finds nothing (AS_ERR_NOT_FOUND, unless at offset 0, where it is a new session with the same object). When
   * the expectations do not hold, or storing fails, the session stays at the last offset that became durable.
   */
  final: Final;
}

/** Asks how far the session has come. The source is not read. */
export interface SessionQuery {
  id: string;
  query: true;
}

/** Ends the session without an object and frees its space. Idempotent. The source is not read, and the answer is that nothing is there: offset 0. */
export interface SessionAbort {
  id: string;
  abort: true;
}

/** The hints of one call of an upload session. What they expect is expected of the whole object, and checked in the call that ends it. */
export interface SessionHints<Step extends SessionStep = SessionStep> extends ObjectHints {
  session: Step;
}

/** How far an upload session has come. All of it survives a crash and a power cut, and is never read or hashed again to go on. */
export interface SessionResult {
  /** `offset`: bytes that are durable, where the next call goes on. */
  session: { id: string; offset: number };
  /** Of the bytes up to there: 32 bytes. */
  blake3: Uint8Array;
  /** Of the bytes up to there: 32 bytes. */
  sha256: Uint8Array;
  /** The same as `session.offset`. */
  size: number;
}

/** What an ingest with the hints `H` resolves to. */
export type IngestOutcome<H extends IngestHints | SessionHints> = H extends { session: infer Step }
  ? Step extends SessionAppend<infer Final>
    ? (Final extends true ? IngestResult : never) | (Final extends false ? SessionResult : never)
    : Step extends SessionQuery | SessionAbort
      ? SessionResult
      : IngestResult
  : IngestResult;

/** How quickly an object comes back. */
export type Tier = 'hot' | 'warm' | 'cold';

/** What a backend says after storing an object. */
export interface Receipt {
  /** Which backend: `local`, later `s3`, …. */
  backend: string;
  tier: Tier;
  /** Where the backend keeps it, in the backend's own terms. */
  key: string;
  /** Bytes the object occupies there, outboard included. */
  storedSize: number;
  /**
   * `synced`: survives a power cut now. `replicated`: a remote store has acknowledged it. `deferred`: neither, until the data plane's barrier;
   * only an ingest that asked for it is told so.
   */
  durability: 'synced' | 'replicated' | 'deferred';
  /** On S3: the bucket, and what the server says of what it stored. An ETag is no digest of ours, and a version is there where the bucket keeps versions. */
  bucket?: string;
  etag?: string;
  version?: string;
}

/**
 * What an ingest gave. Encoded once, by `encodeIngestResult`: the data plane's answer, the payload of the event and the
 * `application/cbor` response of the service are the same bytes.
 */
export interface IngestResult {
  /** 32 bytes. */
  blake3: Uint8Array;
  /** 32 bytes. */
  sha256: Uint8Array;
  /** Bytes in the object. */
  size: number;
  /** The same bytes were stored, whole, before this call. */
  existed: boolean;
  /** A damaged copy was there, and these bytes replaced it. */
  healed: boolean;
  /** At least one, in the order of preference for reading. */
  receipts: Receipt[];
}

/** How thoroughly an object is verified. */
export interface VerifyOptions {
  /**
   * `both`, the default, computes both digests anew. `blake3` computes the address's own alone, which finds and names the same damage for a
   * fraction of the work, and leaves SHA-256 unchecked.
   */
  digests?: 'both' | 'blake3';
  /** Bytes a second at most, on average, at which a large object is read, above 0. Default: no bound. */
  bytesPerSecond?: number;
  /** Ends the verification of a large object early; nothing is concluded about it. Not carried to another process. */
  signal?: AbortSignal;
}

/** What a full re-read and re-digest of an object found. */
export interface VerifyResult {
  /** `intact`: the bytes hash to their address. `corrupt`: they do not, or could not be read. `missing`: nothing is stored. */
  status: 'intact' | 'corrupt' | 'missing';
  /** Bytes read; 0 when missing. */
  size: number;
  /** BLAKE3 of the bytes as they are; 32 bytes. Absent when missing or unreadable. */
  blake3?: Uint8Array;
  /** SHA-256 of the bytes as they are; 32 bytes. Absent when missing or unreadable, and when only BLAKE3 was asked for. */
  sha256?: Uint8Array;
  /** Damaged ranges, ascending, merged, at 16 KiB granularity; empty unless corrupt. */
  damaged: ByteRange[];
  /**
   * Helper data (an outboard, an index) was damaged while the bytes were whole, and has been rewritten; or one of several copies was damaged, and has been
   * replaced from another.
   */
  repaired: boolean;
}

/** What a deletion did. */
export interface DeletionResult {
  /** Something was there and is gone; false when there was nothing. */
  deleted: boolean;
  /** Bytes of storage given back. */
  freedSize: number;
}

/** Readiness, latency and room of what stands behind the data plane. */
export interface BackendStatus {
  /** Can serve reads and, unless `readOnly`, take writes. */
  ready: boolean;
  readOnly: boolean;
  /** Which backend, as in receipts. */
  backend: string;
  tier: Tier;
  /** Microseconds that one small durable write took just now; absent when read-only. */
  syncLatencyMicros?: number;
  /** Bytes that can still be stored; absent when the backend cannot say. */
  freeSize?: number;
  /** Bytes of the volume in all; absent when the backend cannot say. */
  totalSize?: number;
  /** Facts for people: file system, I/O engine, kernel. Text keys and values. */
  facts: Record<string, string>;
  /** When not ready: why, as a sentence. */
  problem?: string;
  /** Where there are tiers: how the cold one is. Everything else is said of the hot one. */
  cold?: BackendStatus;
}

/** What the receipts of a table have in common. The key of each is the BLAKE3 digest in hex, unless they are said to be their own. */
export type CommonReceipt = Pick<Receipt, 'backend' | 'tier' | 'durability'>;

/** What every receipt of the data plane in this process says. */
export const LOCAL_RECEIPT = { backend: 'local', tier: 'hot', durability: 'synced' } as const satisfies CommonReceipt;

/**
 * What many ingests gave, by column, each with one receipt: an object for each would cost more than storing a small object does. What the columns
 * have where there is an error means nothing.
 */
export interface IngestTable {
  readonly length: number;
  readonly receipt: CommonReceipt;
  /** Receipts say more than the columns do: only `result` has them. */
  readonly hasOwnReceipts?: true;
  /** 64 bytes each: BLAKE3 then SHA-256. */
  readonly digests: Uint8Array;
  /** Bytes in the object. */
  readonly sizes: Float64Array;
  /** Bytes it occupies. */
  readonly storedSizes: Float64Array;
  /** 1 where the same bytes were stored before. */
  readonly existed: Uint8Array;
  /** 1 where a damaged copy was replaced. */
  readonly healed: Uint8Array;
  /** By index: what `ingestStream` would have thrown. */
  readonly errors: Map<number, Error>;
  /** BLAKE3 of the object at `index`: 32 bytes, not a copy. */
  blake3(index: number): Uint8Array;
  /** The result at `index`, as `ingestStream` gives it. */
  result(index: number): IngestResult;
}

/** An answer on its way into a socket of this process: bytes that stand in the caller's memory, and behind them a whole object. */
export interface SmallSend {
  /** Descriptor of a connected, non-blocking stream socket that is open, and on which nothing else waits to be written; negative: there is none. */
  socket: number;
  /** Where the bytes stand in the memory. Behind `end` there is room for the object. */
  start: number;
  end: number;
  /** The object, and all of its bytes. */
  address: ContentAddress;
  size: number;
  /** How many bytes of all the socket took; -1, as it comes: none, and the object stands nowhere. */
  sent: number;
}

/** The data plane: everything that touches bytes. */
export interface DataPlane {
  /**
   * Takes in one object: reads the source to its end, computes both digests over the same bytes in the same pass, and stores them
   * durably (unless `hints.durability` puts that off) under their content address. Storing bytes that are there already succeeds (`existed`), and replaces a copy known to be damaged (`healed`).
   * Nothing is visible before everything holds.
   *
   * With `hints.session` it is one call of an upload session; see `SessionStep`. The session's offset moves on at least every 64 MiB and every
   * second while bytes come, and over all bytes taken when the source throws: so a cut connection costs next to nothing. One call at a time
   * may write to a session; queries may come at any time.
   *
   * @throws AS_ERR_DIGEST_MISMATCH, AS_ERR_SIZE_MISMATCH: the hints do not hold
   * @throws AS_ERR_OFFSET: the session stands elsewhere, at `details.expected`
   * @throws AS_ERR_NOT_FOUND: there is no such session, or it has ended
   * @throws AS_ERR_CONFLICT: another call is writing to the session
   * @throws AS_ERR_CORRUPT: the session's own files are damaged: it can only be aborted
   * @throws AS_ERR_LIMIT: too many sessions are being written to at once
   * @throws AS_ERR_INVALID_ARGUMENT: the id, an offset that no object can have, or an unknown durability
   * @throws AS_ERR_SOURCE_UNREADABLE, AS_ERR_SOURCE_CHANGED: the file, for a FileSource
   * @throws AS_ERR_NO_SPACE, AS_ERR_READ_ONLY, AS_ERR_IO: the backend
   * @throws whatever the source throws, unchanged
   */
  ingestStream<H extends IngestHints | SessionHints>(source: ByteSource, hints: H): Promise<IngestOutcome<H>>;

  /**
   * The first operation for many objects in one call, which a data plane may offer where a call each costs more than a small object does. It
   * means the same as `ingestStream` with each source and nothing expected; who finds it missing makes those calls instead.
   *
   * @returns for each source, in their order, its result, or the error that `ingestStream` would have thrown; one that fails does not
   *   fail the others
   */
  ingestMany?(sources: readonly ByteSource[] | FileList): Promise<IngestTable>;

  /**
   * Gives an object's bytes, or one range of them, each verified against the address before it is yielded. A yielded chunk is the
   * reader's to keep. Ending the iteration early releases everything.
   *
   * @throws AS_ERR_NOT_FOUND: nothing is stored under this address
   * @throws AS_ERR_CORRUPT: bytes do not verify (`details.ranges`); nothing wrong was yielded; from now on the object counts as absent
   * @throws AS_ERR_RANGE: the range lies outside the object
   */
  serveObject(address: ContentAddress, range?: ByteRange): AsyncIterable<Uint8Array>;

  /**
   * The second operation for few bytes, which a data plane may offer where an iteration costs more than they do: all of them in one piece, and at
   * once if it has them. It means the same as collecting what `serveObject` yields.
   *
   * @returns undefined when so many are not given in one piece: who asked iterates instead
   * @throws as `serveObject`, at once or by the promise
   */
  serveSmall?(address: ContentAddress, range: ByteRange): Uint8Array | Promise<Uint8Array> | undefined;

  /**
   * The second operation for many whole objects at once, each into a socket of this process, which a data plane on the same host may offer for those that it has at hand. It waits for
   * nothing and never throws: of each it says in `sent` what became of it. What has not been sent goes any other way; reading the object says why.
   *
   * Each byte of an object is verified before it is sent. What a socket did not take stands in the memory behind what it took, objects included, for the caller to write.
   *
   * @param memory the caller's own again when the call has returned
   */
  sendSmall?(memory: Uint8Array, sends: readonly SmallSend[]): void;

  /**
   * The second operation into a socket of this process, which a data plane on the same host may offer. It means the same as writing what `serveObject`
   * yields; who finds it missing does that instead. Ended early, it leaves the socket somewhere between two bytes.
   *
   * @param socket descriptor of a connected, non-blocking stream socket. Nobody else writes to it, and nothing waits to be written, while the next value is
   *   asked for; it may be closed at any time
   * @returns numbers, each of so many bytes that have been sent, verified before; and chunks that the socket did not take at once, verified too, which the caller
   *   writes, and waits for their end, before it asks on
   * @throws as `serveObject`; AS_ERR_ABORTED: the connection has ended
   */
  serveSocket?(address: ContentAddress, socket: number, range: ByteRange): AsyncIterable<Uint8Array | number>;

  /**
   * The same in pieces, each behind its size as four bytes, the first the highest: what docs/dataplane-protocol.md says of streams, without the end.
   *
   * @returns numbers, of bytes of the object that have been sent; and chunks as the caller has to write them, sizes of pieces included
   */
  servePieces?(address: ContentAddress, socket: number, range: ByteRange): AsyncIterable<Uint8Array | number>;

  /**
   * The second operation into a local file, which a data plane on the same host may offer: it puts the bytes into the file itself, from the
   * file's first byte on. It means the same as writing what `serveObject` yields; who finds it missing, or is refused, does that instead.
   *
   * Bytes are verified before they are written. A file that shares the blocks of the stored object has them at once; they are then verified
   * where they are. In both cases what the file holds means something only when all has come.
   *
   * @returns false, and nothing has been written, when the data plane cannot write to this file: it is not there for it, not empty, or does
   *   not take bytes at any offset, as a pipe
   * @throws as `serveObject`
   * @throws AS_ERR_NO_SPACE, AS_ERR_IO: the file cannot be written
   * @throws AS_ERR_ABORTED: by the sink's signal
   */
  serveFile?(address: ContentAddress, sink: FileSink, range?: ByteRange): Promise<boolean>;

  /**
   * Re-reads and re-digests an object and names the ranges that are damaged. Finding damage is a result, not an error; it marks the
   * object as damaged. An object marked damaged that proves whole is cleared.
   *
   * @throws AS_ERR_INVALID_ARGUMENT: `digests` is neither `both` nor `blake3`, or `bytesPerSecond` not above 0
   * @throws AS_ERR_ABORTED: by the signal
   */
  verifyObject(address: ContentAddress, options?: VerifyOptions): Promise<VerifyResult>;

  /** Deletes an object and frees its space now. Idempotent: deleting what is not there succeeds with `deleted: false`. */
  deleteObject(address: ContentAddress): Promise<DeletionResult>;

  /**
   * The fourth operation for many objects in one call, which a data plane may offer where a call each costs more than deleting does. It means the same as
   * `deleteObject` with each; who finds it missing makes those calls instead.
   *
   * @returns for each object, in their order, what was done, or the error that `deleteObject` would have thrown
   */
  deleteMany?(addresses: readonly ContentAddress[]): Promise<(DeletionResult | Error)[]>;

  /**
   * The fourth operation on legal demand: as `deleteObject`, and when it ends no byte of the object is left in a file that the data plane keeps, durably. A data plane whose objects share no
   * files may leave it out; who finds it missing calls `deleteObject`.
   */
  eraseObject?(address: ContentAddress): Promise<DeletionResult>;

  /** How the backend is. Never throws for a backend that is down: that is an answer (`ready: false`, `problem`). */
  backendHealth(): Promise<BackendStatus>;
}
