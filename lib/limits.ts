/**
 * Every limit, in one place, each with its reason. Sizes in bytes, times in milliseconds unless the name says otherwise.
 * A limit that an operator may want to change is the default of an option; the rest are constants of the formats.
 */

/** Bytes in a BLAKE3 or SHA-256 digest: fixed by both algorithms. */
export const DIGEST_SIZE = 32;

/** Bytes in a chunk group, the granularity of outboards and damage reports: fixed by the bao-tree format we are compatible with. */
export const GROUP_SIZE = 16 * 1024;

/** Bytes in a slab. One Piscina task costs 54 to 73 µs, hashing 1 MiB about 1 ms: the hand-over stays near 5%. */
export const SLAB_SIZE = 1024 * 1024;

/** Slabs in the arena: the bound on bytes in flight (32 MiB), so on memory, whatever the number of clients. */
export const SLAB_COUNT = 32;

/** Slabs for reading, apart from those for writing. A read holds one only while a worker fills it: two a worker keep every worker busy. */
export const READ_SLAB_COUNT = 16;

/** Chunks that are read ahead of a reader: two workers verify while it works on the one before. Each is a slab's worth of memory for a reader who waits. */
export const READS_AHEAD = 2;

/** Operations in one worker task: enough to share a multi-lane hash and one durable commit, few enough that a batch ends in milliseconds. */
export const BATCH_OPERATIONS_MAX = 256;

/** Bytes of work in one worker task: bounds how long a batch can hold a worker that others wait for. */
export const BATCH_BYTES_MAX = 8 * 1024 * 1024;

/** Bytes of an operation from which on workers that are free share those that wait, rather than one taking them all: it is worth a hand-over. */
export const SHARED_WEIGHT = 1024 * 1024;

/**
 * Bytes of a large file or object that a worker reads in one step: some 12 ms, long enough to amortise the hand-over and the start of a second
 * thread, short enough to cancel and report progress.
 */
export const FILE_STEP_SIZE = 16 * 1024 * 1024;

/** Milliseconds between two steps of a large object that is verified at a bounded rate: no disk or person notices such bursts. */
export const PACED_STEP_MS = 50;

/** Bytes in a chunk: the smallest holds several of the windows that decide on cuts, the largest bounds the memory of who reads one. */
export const CHUNK_SIZE_MIN = 256;
export const CHUNK_SIZE_MAX = 64 * 1024 * 1024;

/** The average chunk size that may be asked for, a power of two: smaller ones cost more in records than they save, larger ones save nothing. */
export const CHUNK_AVERAGE_MIN = 1024;
export const CHUNK_AVERAGE_MAX = 4 * 1024 * 1024;

/** The average chunk size unless asked otherwise: that of casync, between the 8 KiB of file systems and the 1 MiB of backups. */
export const CHUNK_AVERAGE_DEFAULT = 64 * 1024;

/** Bytes of a local file read with its opening: a file that ends within them shares its commit with others, so most files cost one operation. */
export const FILE_FIRST_STEP_SIZE = 256 * 1024;

/** Objects, and their bytes, that share one operation: enough to make what an operation costs small beside them, few enough for milliseconds. */
export const GATHERED_MAX = 1024;
export const GATHERED_SIZE_MAX = 2 * 1024 * 1024;

/** Bytes from which on an object in memory has an operation of its own: copying it beside others would cost more than it saves. */
export const GATHER_ALONE_SIZE = 64 * 1024;

/**
 * Objects of a call with many that go down together, and such parts under way: one is being hashed, one written, one in the log. A part is as large
 * as an append may be, so that a commit of the log writes each page of an index once for many objects.
 */
export const PUT_PART_MAX = 4096;
export const PUT_PARTS_IN_FLIGHT = 4;

/** Deletions after which packs are looked through for segments worth compacting: their space is worth more than the look by then. */
export const COMPACT_AFTER_DELETIONS = 1000;

/** Percent of a segment's space that is still needed, below which its objects are moved: each byte freed costs at most one byte copied. */
export const COMPACT_BELOW_PERCENT = 50;
/** Objects whose verification shares one operation: enough to make the hand-over small beside it, few enough for every worker to have some. */
export const VERIFIED_GATHERED_MAX = 512;

/** Objects whose deletion shares one operation: as many as one commit of packs holds, and the more there are the more of their space is given back in one piece. */
export const REMOVED_GATHERED_MAX = 4096;

/** Bytes of the largest object verified within a shared operation; a longer one is read in steps of its own, a millisecond of its kind at least. */
export const VERIFY_WHOLE_SIZE_MAX = 1024 * 1024;

/** Objects read in steps of their own at once: several a worker, and each holds a file open. */
export const VERIFIERS_MAX = 16;

/** Objects of a scrub that are read from the registry at once, and those under way: enough for a full batch in every worker and one waiting. */
export const SCRUB_PAGE_SIZE = 1000;
export const SCRUB_IN_FLIGHT_MAX = 2048;

/** Local files that share one operation: some milliseconds of opening and reading. */
export const FILES_GATHERED_MAX = 512;

/** Such operations of one call at once, each with the files that turn out to be longer: every worker has one while the next waits. It bounds open files. */
export const FILE_LISTS_MAX = 4;

/** Bytes of a stream kept until it ends or grows further: a small object needs no slab, and 4,096 slow clients hold 64 MiB. */
export const STREAM_HELD_MAX = 16 * 1024;

/** Characters of the id of an upload session, which becomes part of a file name: room for a UUID and a prefix. */
export const SESSION_ID_LENGTH_MAX = 64;

/** Characters of the id of a token or the name of a policy: room for a UUID and for words, and a line of a terminal still holds it. */
export const NAME_LENGTH_MAX = 64;

/** Upload sessions written to at once: each holds two files, and up to 300 KiB of memory beside the arena's. */
export const SESSIONS_WRITTEN_MAX = 1024;

/**
 * Bytes, and milliseconds, after which what an upload session has taken is made durable while more comes: what a crash costs at most. Three
 * syncs a second are nothing to a slow client; a fast one would wait for its disk again and again with fewer bytes between them.
 */
export const SESSION_CHECKPOINT_SIZE = 64 * 1024 * 1024;
export const SESSION_CHECKPOINT_INTERVAL_MS = 1_000;

/** Worker threads: below two a slow disk read would stall hashing; beyond eight the memory bus is the limit. */
export const WORKERS_MIN = 2;
export const WORKERS_MAX = 8;

/** Damaged ranges named in one verify result; more are merged into the last. Keeps a result and its event small. */
export const VERIFY_RANGES_MAX = 256;

/** Nesting of a CBOR value: manifests and events need 6; a recursive decoder overflows its stack at about 5,000. */
export const CBOR_DEPTH_MAX = 64;

/** Bytes of one CBOR value: a manifest of a million files is about 150 MB; anything larger is an attack or a mistake. */
export const CBOR_SIZE_MAX = 256 * 1024 * 1024;

/**
 * Data items of one CBOR value, keys included: a manifest of a million files has 15 million. An item of one byte costs up to 230 once decoded
 * (measured: 16 million empty byte strings, 3.7 GB), so whoever takes large values from strangers bounds their size further.
 */
export const CBOR_ITEMS_MAX = 16 * 1024 * 1024;

/** Bytes of one encoded event: events carry facts, never payloads. */
export const EVENT_SIZE_MAX = 256 * 1024;

/**
 * Events in one commit: bounds the memory of a commit and the wait of its first event. A commit writes each page of the views' indexes that it
 * touches once, so with many objects a larger one writes less for each event.
 */
export const COMMIT_EVENTS_MAX = 16_384;

/** Events in one row of the log: enough to share the cost of a row, few enough that reading one event means reading some 15 KiB. */
export const ROW_EVENTS_MAX = 32;

/** Bytes after which a row of the log takes no further event: bounds what is read for one event beside a large one. */
export const ROW_SIZE_MAX = 64 * 1024;

/** Events that a rebuild reads and applies at a time: three such batches are in memory at once. */
export const REBUILD_EVENTS_MAX = 8192;

/** Bytes of events in one commit, so in one append too: the database copies them three times on their way down. */
export const COMMIT_SIZE_MAX = 8 * 1024 * 1024;

/** Characters of a digest prefix that may name an object: shorter ones are ambiguous in any real store. */
export const DIGEST_PREFIX_MIN = 4;

/** Entries on one page of a listing: the default, and the most a caller may ask for. */
export const PAGE_SIZE_DEFAULT = 1000;
export const PAGE_SIZE_MAX = 10_000;

/** Milliseconds a database statement waits for another connection's lock before it fails. */
export const SQLITE_BUSY_TIMEOUT_MS = 5_000;

/** Bytes of page cache of a connection that reads: holds the upper levels of the indexes over some millions of objects. */
export const SQLITE_CACHE_SIZE = 32 * 1024 * 1024;

/** Bytes of page cache of the one connection that writes: holds what a large commit changes, and the indexes of a million objects whole. */
export const SQLITE_WRITE_CACHE_SIZE = 96 * 1024 * 1024;

/** Bytes of write-ahead log after which it is copied into the database: pages written often in between are copied once. */
export const SQLITE_CHECKPOINT_SIZE = 64 * 1024 * 1024;

/** Times that bytes or a file are stored when deletions of the same content cross them. While it is stored the last time, nobody can delete it. */
export const PUT_ATTEMPTS_MAX = 3;

/** Events that a subscription reads at a time: few queries, and 64 MiB for each reader even if all of them are as large as events may be. */
export const SUBSCRIPTION_PAGE_SIZE = 256;

/** Deferred puts whose events wait for a sync: what a crash takes at most, some 10 MiB of memory, and one commit of the log. */
export const DEFERRED_PUTS_MAX = 16_384;

/** Milliseconds between two looks at a log that another process writes: soon enough for a person who watches, two questions a second for the database. */
export const FOLLOW_INTERVAL_MS = 500;

/** Port of the service unless another is asked for: registered for nothing, below the range of ephemeral ports. */
export const HTTP_PORT_DEFAULT = 8420;

/** Bytes of a request's line and headers: Node's own default, several times what any header of ours needs. */
export const HTTP_HEADER_SIZE_MAX = 16 * 1024;

/** Characters of a request target: a digest and a query with a reason or cursor need a few hundred. */
export const HTTP_TARGET_LENGTH_MAX = 4 * 1024;

/** Connections at once: a connection costs some tens of KiB, so all of them stay below the memory the arena takes a few times over. */
export const HTTP_CONNECTIONS_MAX = 4096;

/** Milliseconds for a request's headers to arrive: they fit a few packets; slower is an attack or a dead link. */
export const HTTP_HEADERS_TIMEOUT_MS = 20_000;

/** Milliseconds between searches for connections whose headers are late; bounds how late they are noticed. */
export const HTTP_CONNECTIONS_CHECK_MS = 5_000;

/** Milliseconds without a byte from an uploading or to a downloading client. There is no limit on the whole: objects have no size limit. */
export const HTTP_IDLE_TIMEOUT_MS = 60_000;

/** Milliseconds an idle connection is kept: longer than the 60 s of common reverse proxies, so that they close first and lose no request. */
export const HTTP_KEEP_ALIVE_MS = 75_000;

/** Bytes of a body buffered before the socket is paused: four socket reads, so that reading and storing overlap. */
export const HTTP_BODY_BUFFER_SIZE = 256 * 1024;

/** Milliseconds, and bytes, that a refused upload may go on after its answer. Closing at once would reset the connection and lose the answer. */
export const HTTP_LINGER_MS = 2_000;
export const HTTP_LINGER_SIZE = 64 * 1024 * 1024;

/** Milliseconds that requests under way get to finish when the service closes: what process managers commonly wait before they kill. */
export const HTTP_CLOSE_GRACE_MS = 25_000;

/** Milliseconds that a delay of the service may be set to: an hour is longer than any process manager or client waits, and fits every timer. */
export const HTTP_DELAY_MS_MAX = 60 * 60 * 1_000;

/** Bytes of a configuration file: some thousand times what it needs, and little enough to be read whole without a thought. */
export const CONFIG_SIZE_MAX = 1024 * 1024;

/** Milliseconds a readiness answer is used again: each check syncs a write to disk, and many probes must not become load. */
export const HTTP_READINESS_AGE_MS = 1_000;

/** Entries of a package's manifest: a million files take some 150 MB of CBOR, and seconds to read; more is better kept as archives. */
export const MANIFEST_ENTRIES_MAX = 1_000_000;

/** Bytes of a path inside a package, and of one part of it: what Linux takes (PATH_MAX, NAME_MAX), so that every path can be made again. */
export const PACKAGE_PATH_SIZE_MAX = 4095;
export const FILE_NAME_SIZE_MAX = 255;

/** Characters of a namespace, of the name of a package, and of a version or ref: those of OCI, where the last has 128; together far below an URL's limit. */
export const NAMESPACE_LENGTH_MAX = 64;
export const PACKAGE_NAME_LENGTH_MAX = 128;
export const VERSION_LENGTH_MAX = 128;

/**
 * Entries of a directory tree that are looked at in one step, some 10 ms in which nobody else has a turn; their objects are recorded together.
 * And steps under way: enough that the workers never wait, few enough that memory stays flat.
 */
export const PUSH_STEP_ENTRIES = 2048;
export const PUSH_STEPS_MAX = 3;

/** Files of a package that are written at once when it is pulled: reading, checking and writing overlap, and each holds a file open. */
export const PULL_FILES_MAX = 64;

/** Files that are remembered between pushes: 26 MB on disk. Those remembered longest ago are forgotten first. */
export const PUSH_CACHE_ENTRIES_MAX = 262_144;

/** Bytes of a manifest that comes as the body of a request, and is held in memory: some 200,000 files; larger directories are pushed. */
export const MANIFEST_BODY_SIZE_MAX = 32 * 1024 * 1024;

/** Objects that are named to who publishes a manifest without them: enough to see what is wrong; for all there is a question of its own. */
export const MISSING_SHOWN_MAX = 100;

/** Milliseconds without a change before a file's times are trusted: twice the coarsest clock of a file system (FAT, 2 s). */
export const PUSH_CACHE_SETTLED_MS = 4_000;

/** Milliseconds from the beginning of an upload over HTTP until it is given up on: longer than a weekend with a holiday, short enough to free its space. */
export const UPLOAD_LIFETIME_MS = 7 * 24 * 60 * 60 * 1_000;

/** Milliseconds between two looks for uploads that nobody goes on with: their space may wait so long, and the look lists every upload. */
export const UPLOAD_SWEEP_INTERVAL_MS = 10 * 60 * 1_000;

/** Uploads over HTTP that may be open at once: each is two files, and whoever opens without end must not fill the disk with them. */
export const UPLOADS_OPEN_MAX = 10_000;

/** Bytes that an upload can be announced to have: the largest integer of a structured header field, which has 15 digits (RFC 9651). */
export const UPLOAD_LENGTH_MAX = 999_999_999_999_999;

/**
 * Bytes of one part of an upload that comes with a checksum of its own, and of all such parts under way. What has been appended cannot be taken
 * back, so a part is held in memory until it has been checked: twice the largest part that clients use by default, for four of them.
 */
export const UPLOAD_CHECKED_SIZE_MAX = 16 * 1024 * 1024;
export const UPLOAD_CHECKED_TOTAL_MAX = 64 * 1024 * 1024;

/** Seconds that a request for events may wait for the first of them: what common proxies allow a silent request. */
export const EVENTS_WAIT_MAX_S = 60;

/** Milliseconds of silence after which a stream of events says that it is alive: well below the minute after which proxies end silent connections. */
export const EVENTS_HEARTBEAT_MS = 15_000;

/** Milliseconds after which a browser connects again to a stream of events: soon, and a restarted service is not stormed. */
export const EVENTS_RETRY_MS = 2_000;

/** Events of the log, wanted or not, after which a stream says how far it has looked: what a reader of few events looks through again at most. */
export const EVENTS_CHECKPOINT_EVERY = 10_000;

/** Ranges of one request that are answered as such: a player or an index reader needs a few; many small ones cost more than the whole. */
export const HTTP_RANGES_MAX = 64;

/** Digests that may be asked for at once, and the bytes of such a request: as many as a page has, each with its quotes and comma. */
export const MISSING_DIGESTS_MAX = 10_000;
export const MISSING_BODY_SIZE_MAX = 1024 * 1024;

/** Entries of a package whose directories the page shows: it reads the whole manifest for each, a tenth of a second of everybody's time for so many. */
export const PAGE_MANIFEST_ENTRIES_MAX = 20_000;

/** Tokens that count at a time: all of them are held in memory, some 5 MB, so that no request, and no flood of wrong tokens, asks the database. */
export const TOKENS_LIVE_MAX = 10_000;

/** Characters that say whom a token is for: a name or an address, not a text. */
export const TOKEN_HOLDER_LENGTH_MAX = 200;

/** Namespaces of one token: beyond some dozens it is a token for all of them. */
export const TOKEN_NAMESPACES_MAX = 100;

/** Requests a minute that a token can be bounded to: beyond some 16,000 a second nothing is bounded. */
export const TOKEN_RATE_MAX = 1_000_000;

/** Seconds whose requests may come at once where a rate is bounded: a client that begins a job asks often, then less. */
export const RATE_BURST_S = 10;

/** Principals whose rate is followed at a time, some 2 MB. Who is forgotten has not asked for longer than all of the others. */
export const RATE_BUCKETS_MAX = 10_000;

/** Bytes of a request to make a token: a hundred namespaces of the longest kind take 7 KB. */
export const TOKEN_BODY_SIZE_MAX = 16 * 1024;

/** Bytes of a form with a token: one has less than a hundred. */
export const LOGIN_BODY_SIZE_MAX = 4096;

/** Characters by which an issuer or a certificate names who asks: they become the actor of events. */
export const PRINCIPAL_NAME_LENGTH_MAX = 512;

/** Characters of a JWT: those of CI systems have some 2,000; a request's headers hold 16 KiB in all. */
export const JWT_LENGTH_MAX = 12 * 1024;

/** Rules for one issuer: all of them are tried for each request by a JWT. */
export const ISSUER_RULES_MAX = 1000;

/** Milliseconds that an issuer may take to answer, and bytes of its answer: key sets have some KiB. */
export const ISSUER_TIMEOUT_MS = 5_000;
export const ISSUER_RESPONSE_SIZE_MAX = 256 * 1024;

/** Milliseconds that an issuer's keys are used without asking again: how long a key that it has withdrawn still counts. */
export const ISSUER_KEYS_AGE_MS = 10 * 60 * 1_000;

/** Milliseconds in which an issuer is asked only once for a key that is unknown, or after it did not answer: forged tokens must not become load on it. */
export const ISSUER_KEYS_COOLDOWN_MS = 30_000;

/** Seconds by which the clocks of an issuer and of this machine may differ: what NTP leaves, with room. */
export const ISSUER_CLOCK_TOLERANCE_S = 30;
