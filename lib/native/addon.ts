/**
 * Every symbol of the native addon, as TypeScript. The one place where the two sides meet: `native/addon/operations.cc` has the same
 * codes and the same order of arguments.
 *
 * Imports the loader only. Called by lib/digest.ts and by what stands below the data-plane contract.
 */

/** Operation codes of `run` and `start`; the numbers are those of codes.h. */
export const Op = {
  open: 1,
  close: 2,
  health: 3,
  ingestBegin: 4,
  ingestAppend: 5,
  ingestCommit: 6,
  ingestAbort: 7,
  ingestMany: 8,
  filesMany: 9,
  filePump: 10,
  readStart: 11,
  readNext: 12,
  readClose: 13,
  verifyBegin: 14,
  verifyPump: 15,
  verifyFinish: 16,
  verifyAbort: 17,
  verifyMany: 18,
  removeMany: 19,
  compact: 20,
  sessionBegin: 21,
  sessionCheckpoint: 22,
  sessionLook: 23,
  sessionRemove: 24,
  sessionList: 25,
  sync: 26,
  sinkBegin: 27,
  sinkPump: 28,
  sinkClose: 29,
  readMany: 40,
  senderBegin: 41,
  senderPump: 42,
  senderClose: 43,
  ingestReceive: 44,
  ingestReceivePieces: 45,
  ingestReceiveMany: 46,
  walkBegin: 30,
  walkNext: 31,
  walkEnd: 32,
  readNodes: 50,
  openBeneath: 60,
  list: 61,
  provenFileBegin: 70,
  provenFileReceive: 71,
  provenFileAppend: 72,
  provenFileEnd: 73,
  provenFileAbort: 74,
  piecesReceive: 80,
} as const;

/** The operations that `start` takes, and `run` does not: what most programs do to a store. */
export const STARTED: ReadonlySet<number> = new Set([
  Op.open,
  Op.close,
  Op.ingestMany,
  Op.filesMany,
  Op.openBeneath,
  Op.walkBegin,
  Op.walkNext,
  Op.walkEnd,
  Op.provenFileBegin,
  Op.provenFileReceive,
  Op.provenFileAppend,
  Op.provenFileEnd,
  Op.provenFileAbort,
  Op.removeMany,
  Op.compact,
  Op.piecesReceive,
]);

/**
 * Those of them that go on behind everything else, one of each kind at a time, on a thread that is nobody's: they take long, and others must not wait
 * for a worker because of them.
 */
export const BEHIND: ReadonlySet<number> = new Set([Op.removeMany, Op.compact]);

/** Flags of `Op.open`; the numbers are those of artifactstore.h. */
export const OpenFlag = { readOnly: 1, create: 2 } as const;

/** Flags of `Op.verifyBegin` and `Op.verifyMany`; the numbers are those of artifactstore.h. */
export const VerifyMode = { both: 0, blake3: 1 } as const;

/** Flag of `Op.senderBegin`; the number is that of artifactstore.h. */
export const SEND_PIECES = 1;

/** A number that stands for native state. */
export type Handle = number;
/** What is expected of an ingest: BLAKE3, SHA-256 (32 bytes each), size. */
export type Expectation = [blake3: Uint8Array | null, sha256: Uint8Array | null, size: number | null];

/** What is expected of each of many ingests; null where nothing is, of one or of all. */
export type Expectations = (Expectation | null)[] | null;

/** Whether an ingest need not be durable when it ends, but only after `Op.sync`. */
export type Flag = 0 | 1;

/** One entry of a batch: the code, then its arguments. Plain data, so that it can go to a worker. */
export type Operation =
  | [typeof Op.open, path: string, flags: number]
  | [typeof Op.close | typeof Op.health | typeof Op.sync, store: Handle]
  | [typeof Op.ingestBegin, store: Handle, size: number | null]
  | [typeof Op.ingestAppend, ingest: Handle, bytes: Uint8Array]
  | [typeof Op.ingestCommit, ingest: Handle, ...Expectation, deferred: Flag]
  | [typeof Op.ingestAbort, ingest: Handle]
  | [typeof Op.ingestMany, store: Handle, bytes: Uint8Array, ends: Uint32Array, expected: Expectations, deferred: Flag]
  | [
      typeof Op.filesMany,
      store: Handle,
      paths: Uint8Array,
      most: number,
      expected: Expectations,
      deferred: Flag,
      ends: Uint32Array,
    ]
  | [typeof Op.openBeneath, folder: Uint8Array, paths: Uint8Array, ends: Uint32Array]
  | [typeof Op.walkBegin, root: Uint8Array, avoid: string, most: number]
  | [typeof Op.walkNext, walk: Handle, most: number]
  | [typeof Op.walkEnd, walk: Handle]
  | [typeof Op.provenFileBegin, path: string | Uint8Array, firstGroup: number, size: number]
  | [typeof Op.provenFileReceive, file: Handle, fd: number, values: Uint8Array, waitMs: number]
  | [typeof Op.provenFileAppend, file: Handle, bytes: Uint8Array, values: Uint8Array]
  | [typeof Op.provenFileEnd | typeof Op.provenFileAbort, file: Handle]
  | [typeof Op.filePump, ingest: Handle, most: number]
  | [typeof Op.readStart, store: Handle, address: Uint8Array, start: number, end: number | null, slab: Uint8Array]
  | [typeof Op.readNext, reader: Handle, offset: number, slab: Uint8Array]
  | [typeof Op.readClose, reader: Handle]
  | [
      typeof Op.senderBegin,
      store: Handle,
      address: Uint8Array,
      fd: number,
      start: number,
      end: number,
      flags: 0 | typeof SEND_PIECES,
    ]
  | [typeof Op.senderPump, sender: Handle, most: number, waitMs: number, slab: Uint8Array]
  | [typeof Op.senderClose, sender: Handle]
  | [typeof Op.ingestReceive, ingest: Handle, fd: number, most: number, waitMs: number]
  | [typeof Op.ingestReceiveMany, ingests: Uint32Array, fds: Uint32Array, mostOfEach: Uint32Array, mostOfAll: number]
  | [typeof Op.ingestReceivePieces, ingest: Handle, pieces: Handle, most: number, waitMs: number]
  | [typeof Op.piecesReceive, pieces: Handle, into: Uint8Array, waitMs: number]
  | [typeof Op.readMany, store: Handle, addresses: Uint8Array, sizes: Uint32Array, slab: Uint8Array]
  | [
      typeof Op.sinkBegin,
      store: Handle,
      address: Uint8Array,
      path: string | Uint8Array,
      start: number,
      end: number | null,
    ]
  | [
      typeof Op.readNodes,
      store: Handle,
      address: Uint8Array,
      start: number,
      end: number | null,
      next: number,
      slab: Uint8Array,
    ]
  | [typeof Op.sinkPump, sink: Handle, most: number]
  | [typeof Op.sinkClose, sink: Handle]
  | [typeof Op.verifyBegin, store: Handle, address: Uint8Array, flags: number]
  | [typeof Op.verifyPump, verifier: Handle, most: number]
  | [typeof Op.verifyFinish | typeof Op.verifyAbort, verifier: Handle]
  | [typeof Op.verifyMany, store: Handle, addresses: Uint8Array, flags: number, whole: number, budget: number]
  | [typeof Op.removeMany, store: Handle, addresses: Uint8Array, erase: 0 | 1]
  | [typeof Op.list, store: Handle, part: number]
  | [typeof Op.compact, store: Handle, from: number, percent: number]
  | [typeof Op.sessionBegin, store: Handle, id: string, offset: number]
  | [typeof Op.sessionCheckpoint, ingest: Handle]
  | [typeof Op.sessionLook | typeof Op.sessionRemove, store: Handle, id: string]
  | [typeof Op.sessionList, store: Handle];

/** What failed, in the core's terms. */
export interface NativeFailure {
  /** Negative: an errno, or a code of artifactstore.h. */
  error: number;
  /** Its stable name: `ENOSPC`, `AS_E_CORRUPT`, …. */
  name: string;
  /** The call, the file and the reason; may be empty. */
  detail: string;
  /** The damaged range, when `AS_E_CORRUPT` came from a read. */
  start?: number;
  end?: number;
  /** What came instead, when an expectation did not hold: BLAKE3 then SHA-256, and the size. */
  digests?: Uint8Array;
  size?: number;
  /** Where an upload session stands, when it is not at the offset given. */
  durable?: number;
  /** Where a file that takes proven bytes stands. */
  position?: number;
}

export interface NativeIngested {
  /** BLAKE3 then SHA-256: 64 bytes. */
  digests: Uint8Array;
  size: number;
  storedSize: number;
  existed: boolean;
  healed: boolean;
  /** A power cut may take it until the store has been synced. */
  deferred: boolean;
}

/** What many ingests gave, by column. */
export interface NativeColumns {
  /** 64 bytes each: BLAKE3 then SHA-256. */
  digests: Uint8Array;
  sizes: Float64Array;
  storedSizes: Float64Array;
  /** Bits of `IngestFlag`. */
  flags: Uint8Array;
  /** By index, where the flag says so: a failure, or the handle of a file that is longer than asked for. */
  others: Record<number, NativeFailure | Handle>;
}

/** One step of compaction: where to go on (0: all is looked at), bytes copied, bytes given back, segments deleted. */
export type NativeCompacted = [next: number, movedSize: number, freedSize: number, removed: number];

/** Bits of `NativeColumns.flags`; the numbers are those of `enum Flag` in many.cc. */
export const IngestFlag = { existed: 1, healed: 2, other: 4, deferred: 8 } as const;

export interface NativeVerified {
  digests: Uint8Array;
  size: number;
  intact: boolean;
  repaired: boolean;
  damaged: [start: number, end: number][];
}

/** How far an upload session has come, durably. */
export interface NativeSession {
  offset: number;
  /** Of the bytes up to there: BLAKE3 then SHA-256. */
  digests: Uint8Array;
}

/** What the store holds of one upload session. */
export interface NativeSessionEntry {
  id: string;
  /** When its files last changed: milliseconds since 1970. */
  changed: number;
  /** Bytes they take on disk. */
  storedSize: number;
}

/** What many verifications gave, by column. */
export interface NativeVerifiedColumns {
  /** 64 bytes each: BLAKE3 then SHA-256. */
  digests: Uint8Array;
  sizes: Float64Array;
  /** One `VerifiedFlag` each. */
  flags: Uint8Array;
  /** By index, where the flag says so: a failure, or what was found of an object that is more than whole. */
  others: Record<number, NativeFailure | NativeVerified>;
}

/** Values of `NativeVerifiedColumns.flags`: intact, see `others`, too large for one step, not looked at yet. The numbers are those of many_stored.cc. */
export const VerifiedFlag = { whole: 0, other: 1, large: 2, later: 4 } as const;

/** Which of many reads failed, by index; null where none did. */
export type NativeReadFailures = Record<number, NativeFailure> | null;

/** What one step of a walk found, by column. */
export interface NativeFound {
  /** Paths, one behind the other, and where each ends. */
  paths: Uint8Array;
  ends: Uint32Array;
  /** One `WalkedKind` each. */
  kinds: Uint8Array;
  /** By index, of directories that cannot be read: why, in a few words. */
  reasons: Record<number, string>;
  /** For the next step; 0 at the end. */
  walk: Handle;
}

/** Values of `NativeFound.kinds`; the numbers are those of `as_walked_kind` in artifactstore.h. */
export const WalkedKind = {
  file: 0,
  link: 1,
  socket: 2,
  fifo: 3,
  blockDevice: 4,
  characterDevice: 5,
  other: 6,
  avoided: 7,
  unreadable: 8,
} as const;

/** What is stored under the addresses with one first byte, in their order, by column. */
export interface NativeListedColumns {
  /** 32 bytes each. */
  addresses: Uint8Array;
  sizes: Float64Array;
  /** Milliseconds since 1970 UTC. */
  changed: Float64Array;
}

/** What many removals gave, by column. */
export interface NativeRemovedColumns {
  freedSizes: Float64Array;
  /** One `RemovedFlag` each; 0: nothing was there. */
  flags: Uint8Array;
  /** By index, where the flag says so. */
  others: Record<number, NativeFailure>;
}

/** Values of `NativeRemovedColumns.flags`; the numbers are those of many_stored.cc. */
export const RemovedFlag = { removed: 1, failed: 2 } as const;

export interface NativeHealth {
  freeSize: number;
  totalSize: number;
  syncLatencyNanos: number;
  writable: boolean;
  fileSystem: string;
}

/** What an operation gives; which one it is follows from the code. */
export type Outcome =
  | NativeFailure
  | NativeIngested
  | NativeColumns
  | NativeVerified
  | NativeVerifiedColumns
  | NativeListedColumns
  | NativeRemovedColumns
  | NativeReadFailures
  | NativeFound
  | NativeHealth
  | NativeSession
  | NativeSessionEntry[]
  | number
  | number[]
  | (number | NativeFailure)[]
  | null;

/** How often one way through the kernels ran: calls of a kernel, and what went through it. */
export interface PathCounter {
  calls: number;
  units: number;
}

/** How often each way through the kernels ran in this process. */
export interface KernelCounters {
  /** One stream at a time; units are groups of 16 KiB. */
  oneStream: PathCounter;
  /** Two streams side by side; units are groups of both. */
  twoStream: PathCounter;
  /** Batches of small objects; units are objects. */
  batch: PathCounter;
}

/** What the addon says about itself and the machine. */
export interface NativeFacts {
  /** The kernel set in use. */
  kernel: string;
  /** Kernel sets this machine can run, best first. */
  kernels: string[];
  cpuFeatures: string;
  /** The I/O engine in use: `uring`, `posix`, or `none` when ARTIFACTSTORE_IO asks for what is not to be had. */
  io: string;
  /** Why it is that one: a sentence. */
  ioReason: string;
  /** The store format it reads and writes. */
  storeFormat: number;
  counters: KernelCounters;
}

/** One stream's digests. */
export interface NativeDigester {
  update(bytes: Uint8Array): void;
  /** Writes 64 bytes into `out`, which has exactly that size: BLAKE3 then SHA-256. The digester is spent. */
  finish(out: Uint8Array): void;
}

/** One stream being cut into chunks. Offsets count from the start of the stream. */
export interface NativeChunker {
  /** The ends of the chunks that these bytes complete. */
  update(bytes: Uint8Array): Float64Array;
  /** The end of the last chunk, if bytes are left. The chunker is spent. */
  finish(): Float64Array;
}

/** The constructor takes sizes in bytes and throws a RangeError for those that the core refuses. */
export interface NativeChunkerClass {
  new (minimum: number, average: number, maximum: number): NativeChunker;
  /** Names of the scans this machine can run, best first. */
  kernels(): string[];
  /** The scan in use. */
  kernel(): string;
  /** For tests and benchmarks; throws a RangeError for a scan this machine cannot run. */
  selectKernel(name: string): void;
}

/** A field: its kind (FieldKind of lib/record-form.ts) and column, where the value of a row begins there (stride times row, plus offset), its bytes, its place in each form, and of a part where each row's begins. */
export type NativeField = readonly [
  kind: number,
  column: Uint8Array | Uint32Array | Float64Array,
  stride: number,
  offset: number,
  size: number,
  places: Uint32Array,
  from: Uint32Array | undefined,
];

/** In what records of a form differ (Parts of lib/record-parts.ts), and the same as it stands in a packed row. */
export type NativeForm = readonly [own: Uint32Array, digits: Uint32Array, copies: Uint32Array, encoded: Uint8Array];

/** A record that others of its form differ from in these. */
export type NativeModel = readonly [model: Uint8Array, own: Uint32Array, digits: Uint32Array, copies: Uint32Array];

/** The addon. */
export interface NativeAddon {
  describe(): NativeFacts;
  /** For tests and benchmarks; throws a RangeError for a kernel set this machine cannot run. */
  selectKernel(name: string): void;
  /** Each writes 64 bytes an input into `out`, which has exactly that size: BLAKE3 then SHA-256. */
  digestOne(input: Uint8Array, out: Uint8Array): void;
  digestMany(inputs: readonly Uint8Array[], out: Uint8Array): void;
  /** Part i of `input` ends at `ends[i]` and begins where the part before it ends; throws a RangeError for other ends. */
  digestParts(input: Uint8Array, ends: Float64Array, out: Uint8Array): void;
  /** Chaining values of the 16 KiB groups in `input`, the first being group `first` of its object, the last perhaps shorter; 32 bytes each into `out`. */
  groupValues(input: Uint8Array, first: number, out: Uint8Array): void;
  /** The chaining value over two children, 64 bytes, into `out`; of the root that is the digest. */
  parentValue(pair: Uint8Array, isRoot: boolean, out: Uint8Array): void;
  /**
   * Reads all of a small object into `bytes`, which has its size, verified, if that takes no waiting for a disk. False: it does, or the object cannot be read;
   * whoever reads it by `run` learns why. For objects that were read so before.
   */
  readNow(store: Handle, address: Uint8Array, bytes: Uint8Array): boolean;
  /**
   * Sends `count` answers that stand in `memory`, each with an object read and verified behind it, without waiting for a disk or a socket.
   *
   * @param columns a row of five for each: socket, where it begins, bytes before the object, bytes of the object, and then, as the answer of this call, how
   *   many bytes of all have been sent; -1: none, because the object has to be read by a worker, or the socket is negative
   * @param addresses of the objects, 32 bytes for each answer
   */
  sendAnswers(store: Handle, memory: Uint8Array, columns: Int32Array, addresses: Uint8Array, count: number): void;
  /**
   * Writes `ends.length` records end to end into `target` from `at` on, and where each ends. Record n is a copy of `forms[formOf[n]]` with the fields of
   * row `rows[n]` written over it. Throws a RangeError, before it has written anything, where something would not fit.
   */
  fillRecords(
    target: Uint8Array,
    at: number,
    ends: Uint32Array,
    rows: Uint32Array,
    formOf: Uint8Array,
    forms: readonly Uint8Array[],
    fields: readonly NativeField[],
  ): void;
  /**
   * Writes rows of records end to end into `target`, packed where every record of a row has a form, and where that is shorter; and where each row ends, and each record among those
   * of its row. A form is its own parts, its digits, its copies, and all three as they stand in a row. Throws a RangeError, before it has written anything, where
   * arguments do not fit each other.
   */
  packRows(
    bytes: Uint8Array,
    ends: Uint32Array,
    rows: Uint32Array,
    formOf: Uint8Array,
    forms: readonly NativeForm[],
    target: Uint8Array,
    rowEnds: Uint32Array,
    endsInRows: Uint8Array,
  ): void;
  /**
   * Writes the records of a packed row end to end into `target` from `at` on. Throws a RangeError, before it has written anything, where arguments do not fit
   * each other.
   */
  unpackRow(forms: readonly NativeModel[], formOf: Uint8Array, kept: Uint8Array, target: Uint8Array, at: number): void;
  /** A descriptor of its own for a socket that is open: for `Op.senderBegin`, which takes it over, and for what receives. -1: there is none to be had. */
  keepSocket(fd: number): number;
  /** Closes such a descriptor, where nobody has taken it over. */
  dropSocket(fd: number): void;
  /**
   * Gives the memory of bytes back now that are needed no more, where it is theirs alone, and leaves none of them: of many megabytes that come within a second the collector
   * lets go too late.
   */
  freeBytes(bytes: Uint8Array): void;
  /**
   * Begins to receive a stream in pieces from a socket that is open, by a descriptor of its own: a handle for `Op.piecesReceive` and `Op.ingestReceivePieces`; 0: there
   * is none to be had.
   */
  keepPieces(fd: number): Handle;
  /** Ends it, while nobody receives. */
  dropPieces(pieces: Handle): void;
  /** Has the kernel hold up to `size` bytes that were written to a socket that is open and not read yet, or as many as it lets anybody. */
  widenSocket(fd: number, size: number): void;
  /** Process, user and group at the other end of a Unix socket that is open, as the kernel noted them when it connected; null for any other socket. */
  peerOf(fd: number): [pid: number, uid: number, gid: number] | null;
  Digester: new () => NativeDigester;
  Chunker: NativeChunkerClass;
  /** Runs operations in order and gives their outcomes; blocks on disk and CPU. Not for those that `start` takes. */
  run(operations: readonly Operation[]): Outcome[];
  /**
   * Runs one operation, of those that begin with `STARTED`, on a thread of the addon's own, and tells its outcome later. Throws a TypeError for
   * arguments that are none. Memory in the operation must not be taken away meanwhile.
   */
  start(operation: Operation, told: (outcome: Outcome) => void): void;
}

export function isFailure(outcome: unknown): outcome is NativeFailure {
  return typeof outcome === 'object' && outcome !== null && 'error' in outcome;
}
