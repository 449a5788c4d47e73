/**
 * Every limit, in one place, each with its reason. Sizes in bytes, times in milliseconds unless the name says otherwise.
 * A limit that an operator may want to change is the default of an option; the rest are constants of the formats.
 */

/** Bytes in a BLAKE3 or SHA-256 digest: fixed by both algorithms. */
export const DIGEST_SIZE = 32;

/** Bytes in a chunk group, the granularity of outboards and damage reports: fixed by the bao-tree format we are compatible with. */
export const GROUP_SIZE = 16 * 1024;

/** Bytes that are checked together by who reads from a service: a few groups side by side, little to lose when a connection breaks. */
export const VERIFIED_BLOCK_SIZE = 256 * 1024;

/** Bytes in a slab. One Piscina task costs 54 to 73 µs, hashing 1 MiB about 1 ms: the hand-over stays near 5%. */
export const SLAB_SIZE = 1024 * 1024;

/** Slabs in the arena: the bound on bytes in flight (32 MiB), so on memory, whatever the number of clients. */
export const SLAB_COUNT = 32;

/**
 * Milliseconds in which nothing came for a slab, after which it is emptied if others wait for one. Handing over what it has costs a task of some 70 µs, so a
 * source that drips costs little, and 32 of them hold nobody up for longer than this.
 */
export const SLAB_IDLE_MS = 10;

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

/**
 * Bytes of the largest read that shares an operation with others, and such reads in one: a slab holds sixteen of the largest, and as many of the smallest
 * as have a group each.
 */
export const READ_GATHERED_SIZE_MAX = 64 * 1024;
export const READS_GATHERED_MAX = 64;

/**
 * Bytes of the largest object that the main thread reads itself, if it is in memory: some 4 µs of reading and hashing, where asking a worker costs it 8 or
 * more. And objects of which it knows that they were read before: some 2 MB of names.
 */
export const READ_NOW_SIZE_MAX = 16 * 1024;
export const READS_REMEMBERED_MAX = 16_384;

/** Objects whose record is kept in memory since it was last asked for: what a busy service gives out again and again, in some 10 MB. */
export const KNOWN_OBJECTS_MAX = 16_384;

/**
 * Bytes that a sender has sent in one step of those below if it is quick: what a network of 10 Gbit/s brings meanwhile; over a Unix socket less, because with the kernel's own buffer of
 * 208 KiB, doubled, it can send no more while nobody looks.
 */
export const RECEIVE_QUICK_SIZE = SLAB_SIZE;
export const RECEIVE_PIECES_QUICK_SIZE = SLAB_SIZE / 4;

/** Milliseconds that a worker waits for a socket to take more: one that is read quickly has room within tenths of it. */
export const SEND_WAIT_MS = 2;

/**
 * Bytes of a body still to come from which on the core receives them itself, and bodies at once of which it does so: giving a socket away costs its connection, which
 * a small object is not worth; and each is looked at every now and then while it is slow. Milliseconds that a worker waits for one, as for one that takes bytes;
 * and milliseconds between two looks at one from which nothing came.
 */
export const RECEIVE_DIRECT_FROM = 16 * 1024 * 1024;
export const RECEIVERS_MAX = 16;
export const RECEIVE_WAIT_MS = 2;
export const RECEIVE_PAUSE_FIRST_MS = 1;
export const RECEIVE_PAUSE_MAX_MS = 100;

/**
 * Bodies that may come at once before each of them has to wait for a slab: then the core receives what more come, up to so many, and from so many bytes on. Node reads as many at a time, so a
 * body that has more than that to come does not end while its socket is given away.
 */
export const RECEIVE_CROWD = SLAB_COUNT;
export const RECEIVERS_CROWD_MAX = 1024;
export const RECEIVE_CROWDED_FROM = 64 * 1024;

/**
 * Slow senders that are looked at within a millisecond at most, and the milliseconds between two looks at the same one because of that, at most: enough comes meanwhile to be worth a look, and
 * less than the kernel holds. Those that one operation looks at, and the bytes that it takes of each: who has as many is quick.
 */
export const RECEIVE_LOOKS_PER_MS = 8;
export const RECEIVE_LOOK_MS_MAX = 50;
export const RECEIVED_TOGETHER = 64;
export const RECEIVED_AT_ONCE = 256 * 1024;

/**
 * Uploads that wait with their first bytes, beyond which nothing is read from connections that are new: one for each slab. And milliseconds after which as many of those are read in any case: so
 * all that there may be are within 13 s, before their headers are late.
 */
export const HTTP_BEGINNING_MAX = SLAB_COUNT;
export const HTTP_NEWCOMERS_EVERY_MS = 100;

/** Single puts that go down together at least, where so many wait: fewer make an operation and a commit dear, more leave a thread idle. */
export const PUT_GATHERED_MIN = 128;

/** Deletions after which packs are looked through for segments worth compacting: their space is worth more than the look by then. */
export const COMPACT_AFTER_DELETIONS = 1000;

/** Bytes that the core copies in one step of compaction at most (compact.c). */
export const COMPACT_STEP_SIZE = 8 * 1024 * 1024;

/**
 * Bytes that a sweep gives back before a pass of compaction begins beside it: about as many as a segment of packs has, so that each pass finds one to delete. And how many times as long as
 * a pass took the next one waits: it looks through all segments, and a store may have many.
 */
export const COMPACT_BESIDE_SIZE = 256 * 1024 * 1024;
export const COMPACT_BESIDE_REST = 4;

/** Percent of a segment's space that is still needed, below which its objects are moved: each byte freed costs at most one byte copied. */
export const COMPACT_BELOW_PERCENT = 50;
/** Objects whose verification shares one operation: enough to make the hand-over small beside it, few enough for every worker to have some. */
export const VERIFIED_GATHERED_MAX = 512;

/**
 * Objects that are tombstoned, undeleted or swept together, under their locks, and such blocks under way: one is looked up, one is removed, one is recorded, one
 * waits for the next commit. The log gets two blocks, a commit each, behind whoever stores or publishes, who so waits for the rest of one commit of as many events: some milliseconds. Twice
 * as many take a fifth less processor time for each, and make that commit longer.
 */
export const LIFECYCLE_BLOCK = 256;
export const LIFECYCLE_BLOCKS_IN_FLIGHT = 4;

/** Deletions that a crash interrupted which opening a store finishes, a second's worth; `sweep` does the rest. */
export const OPENING_SWEEP_MAX = 16_384;

/** Milliseconds that a grace may last: a century. What should stay for longer should not be deleted. */
export const GRACE_MS_MAX = 100 * 366 * 24 * 60 * 60 * 1000;

/** Bytes of a request to sweep, which has one number. */
export const SWEEP_BODY_SIZE_MAX = 4096;

/**
 * Milliseconds that bytes without an event are left alone: what is stored is recorded within seconds, the parts of a large archive within hours. Files and logs of
 * events may be copied back from different moments, and a day is enough to notice.
 */
export const ORPHAN_AGE_MS = 24 * 60 * 60 * 1000;

/** Bytes of a request to reconcile, which has a number and a flag. */
export const RECONCILE_BODY_SIZE_MAX = 4096;

/** Objects named in what `retire` and `sweep` report as kept or failed; beyond that they are counted. */
export const KEPT_SHOWN_MAX = 1000;

/** Deletions remembered while an ingest older than them is under way, some 60 bytes each; beyond that an old ingest has to assume that its object was among them. */
export const DELETIONS_NOTED_MAX = 1_048_576;

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

/** Commits that a block of removals lets go first while others wait all the time: a sweep then still gets its turn several times a second. */
export const COMMITS_BEFORE_BEHIND_MAX = 8;

/** Commits of such blocks, without one of anybody else among them, after which nobody else seems to commit, and the next block is prepared beside the one before. */
export const COMMITS_ALONE_MIN = 4;

/** Events that wait for a commit and are written out while the one before it runs: fewer wait for more to come, so that they share a sync. */
export const COMMIT_AHEAD_EVENTS_MIN = 4096;

/** Events in one row of the log: enough to share the cost of a row, few enough that reading one event means reading some 15 KiB, or 3 where they are packed. */
export const ROW_EVENTS_MAX = 32;

/** Bytes after which a row of the log takes no further event: bounds what is read for one event beside a large one. */
export const ROW_SIZE_MAX = 64 * 1024;

/** Events that a rebuild reads and applies at a time: three such batches are in memory at once. */
export const REBUILD_EVENTS_MAX = 16_384;

/** Bytes of page cache of the connection from which a rebuild reads the events: it meets each page once. */
export const REBUILD_CACHE_SIZE = 1024 * 1024;

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

/**
 * Bytes of write-ahead log after which the commit that wrote them copies it into the database, if nobody has before: pages written often in between are
 * copied once. Whoever commits then waits for that, so another connection does it from half of that on (lib/sqlite/checkpointer.ts).
 */
export const SQLITE_CHECKPOINT_SIZE = 64 * 1024 * 1024;
export const SQLITE_CHECKPOINT_BESIDE_SIZE = SQLITE_CHECKPOINT_SIZE / 2;

/**
 * The same while blocks of removals are committed. They go through the objects in their order and hardly change a page twice, so nothing is gained by waiting, and whoever stores
 * something beside them waits for the disk while the pages are synced: 40 ms at most instead of 50 (medians of seven). Commits of ingests took a tenth more time with it.
 */
export const SQLITE_CHECKPOINT_BEHIND_SIZE = 8 * 1024 * 1024;
export const SQLITE_CHECKPOINT_BEHIND_LOOK_SIZE = 2 * 1024 * 1024;

/** Bytes of it that the writer may have to copy itself at the end, between two commits, and how often the other connection tries to leave it no more. */
export const SQLITE_CHECKPOINT_REST_SIZE = 512 * 1024;
export const SQLITE_CHECKPOINT_ROUNDS_MAX = 8;

/** Bytes that may have been written to the write-ahead log between two looks at its length, and those that a commit writes at least beside its events: pages of indexes. */
export const SQLITE_CHECKPOINT_LOOK_SIZE = 8 * 1024 * 1024;
export const SQLITE_COMMIT_SIZE = 64 * 1024;

/** Objects on their way between tiers at once: enough to share commits and to keep a store at the other end of a network busy, and each holds a slab or two. */
export const TIER_MOVES_IN_FLIGHT = 32;

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

/** Connections to a Unix socket that wait to be taken: one more is refused at once, unlike on TCP, and clients connect many at a time. As many as Linux allows. */
export const LISTEN_BACKLOG = 4096;

/** Milliseconds for a request's headers to arrive: they fit a few packets; slower is an attack or a dead link. */
export const HTTP_HEADERS_TIMEOUT_MS = 20_000;

/** Milliseconds between searches for connections whose headers are late; bounds how late they are noticed. */
export const HTTP_CONNECTIONS_CHECK_MS = 5_000;

/** Milliseconds without a byte from an uploading or to a downloading client. There is no limit on the whole: objects have no size limit. */
export const HTTP_IDLE_TIMEOUT_MS = 60_000;

/**
 * Bytes a second below which an uploading client is cut off, on the average of HTTP_IDLE_TIMEOUT_MS: a tenth of what a modem sent. Each upload holds a
 * connection and up to 300 KiB, and whoever holds many must at least send something.
 */
export const HTTP_RATE_MIN = 512;

/** Milliseconds an idle connection is kept: longer than the 60 s of common reverse proxies, so that they close first and lose no request. */
export const HTTP_KEEP_ALIVE_MS = 75_000;

/** Bytes of a body buffered before the socket is paused: four socket reads, so that reading and storing overlap. */
export const HTTP_BODY_BUFFER_SIZE = 256 * 1024;

/** The same of all bodies together: beyond that each has one socket read, so that hundreds that wait for a slab hold no more than a connection does. */
export const HTTP_BODIES_BUFFER_SIZE = 16 * 1024 * 1024;

/** Milliseconds, and bytes, that a refused upload may go on after its answer. Closing at once would reset the connection and lose the answer. */
export const HTTP_LINGER_MS = 2_000;
export const HTTP_LINGER_SIZE = 64 * 1024 * 1024;

/** Bytes of a body that leaves in one piece with its head, and of such a head: most answers are far smaller, and the places for them stay few pages. */
export const SEND_JOINED_SIZE_MAX = 8 * 1024;
export const SEND_HEAD_SIZE_MAX = 2 * 1024;

/** Such answers that leave together at most: more would make the first of them wait for longer than a millisecond or two, and 64 places for them take 640 KiB. */
export const SEND_TOGETHER_MAX = 64;

/** Numbers by which the core is told of one of them: see `sendAnswers` in lib/native/addon.ts. */
export const ANSWER_COLUMNS = 5;

/**
 * Bytes of a body from which on the store sends it to the socket itself, and how many of them are read before, so that an object that is damaged from the beginning has an answer that
 * says so: a slab, which takes a worker half a millisecond.
 */
export const SEND_DIRECT_FROM = 4 * 1024 * 1024;
export const SEND_FIRST_SIZE = SLAB_SIZE;

/** Milliseconds that requests under way get to finish when the service closes: what process managers commonly wait before they kill. */
export const HTTP_CLOSE_GRACE_MS = 25_000;

/** Milliseconds that a delay of the service may be set to: an hour is longer than any process manager or client waits, and fits every timer. */
export const HTTP_DELAY_MS_MAX = 60 * 60 * 1_000;

/** Bytes of a value in a message between a data plane and its clients: the paths of a batch of files, of the longest kind. */
export const REMOTE_HEAD_SIZE_MAX = 4 * 1024 * 1024;

/** Bytes of one piece of a stream between them. Nobody holds a piece: the bound is there so that its size tells nonsense from sense. */
export const REMOTE_PIECE_SIZE_MAX = 16 * 1024 * 1024;

/** Bytes of a chunk that is copied before it is written to a socket: beyond what Node buffers, the writer waits until all has been written. */
export const REMOTE_COPIED_MAX = 64 * 1024;

/** Objects or files in one request to a data plane elsewhere, and their bytes, or those of their paths: some milliseconds of work, and the next is on its way meanwhile. */
export const REMOTE_BATCH_MAX = 1024;
export const REMOTE_BATCH_SIZE_MAX = 2 * 1024 * 1024;
export const REMOTE_BATCH_PATHS_SIZE_MAX = 1024 * 1024;

/** Such requests of one client under way: one on its way, one being stored, one being answered. */
export const REMOTE_BATCHES_IN_FLIGHT = 4;

/** Such requests that a daemon holds in memory, with all of their bytes, whoever sent them; others wait in their sockets. */
export const REMOTE_BATCHES_HELD = 8;

/** Milliseconds in which the bytes of such a request have to come: its sender has all of them, and others wait for its room. */
export const REMOTE_BATCH_TIMEOUT_MS = 20_000;

/** Files that clients name which a daemon has open at once, and those that share an operation: within the descriptors of a process that nobody has given more. */
export const REMOTE_FILES_OPEN = 512;
export const REMOTE_FILES_TOGETHER = 256;

/** Connections of a client for what is short, and for streams, which last as long as their clients like: as many as the service may have connections. */
export const REMOTE_CALLS_MAX = 64;
export const REMOTE_STREAMS_MAX = HTTP_CONNECTIONS_MAX;

/**
 * Bytes from which on a stream has a connection of its own, read and written by the core: making one costs some 0.3 ms, what 1 MiB takes the other way. And such streams of one
 * client, which hold up to three chunks each where they are read slowly; others go the other way. Milliseconds that a thread waits for bytes in one step: a daemon that reads
 * from a disk pauses for longer than one that does not.
 */
export const REMOTE_CHANNEL_FROM = 4 * 1024 * 1024;
export const REMOTE_CHANNELS_MAX = RECEIVERS_MAX;
export const REMOTE_RECEIVE_WAIT_MS = 20;

/** Bytes that the kernel is asked to hold between the ends of such a stream: with its own 208 KiB each waits for the other five times a chunk. */
export const REMOTE_CHANNEL_BUFFER_SIZE = 1024 * 1024;

/** Connections of a daemon: those of two services that stream as much as they can. */
export const REMOTE_CONNECTIONS_MAX = 2 * (REMOTE_CALLS_MAX + REMOTE_STREAMS_MAX + REMOTE_CHANNELS_MAX);

/** Attempts at a request that may be sent again, and milliseconds before the second, doubled each time: 1.6 s in all, in which a service manager starts a daemon again. */
export const REMOTE_ATTEMPTS_MAX = 6;
export const REMOTE_BACKOFF_FIRST_MS = 50;

/** Milliseconds that a daemon may take to say how it is: several times what a sync takes on a slow disk. */
export const REMOTE_HEALTH_TIMEOUT_MS = 5_000;

/** Milliseconds between two looks of a daemon that ends at connections that have become idle. */
export const REMOTE_CLOSE_CHECK_MS = 50;

/** Bytes of an answer about many small objects: as many as one operation reads, each of the largest. */
export const REMOTE_READS_SIZE_MAX = READS_GATHERED_MAX * READ_GATHERED_SIZE_MAX;

/** Bytes of a configuration file: some thousand times what it needs, and little enough to be read whole without a thought. */
export const CONFIG_SIZE_MAX = 1024 * 1024;

/** Milliseconds a readiness answer is used again: each check syncs a write to disk, and many probes must not become load. */
export const HTTP_READINESS_AGE_MS = 1_000;

/** Entries of a package's manifest: a million files take some 150 MB of CBOR, and seconds to read; more is better kept as archives. */
export const MANIFEST_ENTRIES_MAX = 1_000_000;

/**
 * Runs of objects in one event about a manifest: two numbers of up to 9 bytes each, so that it stays below EVENT_SIZE_MAX whatever they are. A million
 * objects, no two of them next to each other, are 82 events.
 */
export const INDEXED_RUNS_MAX = 12_288;

/** Packages named in the error that an object is needed: enough to go and look, few enough for a terminal. */
export const NEEDING_SHOWN_MAX = 10;

/** Manifests named in the error that nobody knows what they need, for the same reason. */
export const UNKNOWN_NEEDS_SHOWN_MAX = 10;

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

/**
 * Bytes of a file in an archive up to which it is held in memory, to be stored together with others: that of GATHER_ALONE_SIZE, from which on an
 * object has an operation of its own. Larger ones go down as they come.
 */
export const ARCHIVE_FILE_HELD_MAX = GATHER_ALONE_SIZE - 1;

/** Files and bytes of an archive that are stored together, and such parts under way: enough that the workers never wait for the archive's reader. */
export const ARCHIVE_PART_FILES = 1024;
export const ARCHIVE_PART_SIZE = 4 * 1024 * 1024;
export const ARCHIVE_PARTS_IN_FLIGHT = 3;

/** Bytes of files that all archives on their way in hold together: four at full speed, and any number of slow ones, each with what there is for it. */
export const ARCHIVE_HELD_TOTAL_MAX = 64 * 1024 * 1024;

/** Files of an archive on its way out that are opened ahead of the one being sent; those up to ARCHIVE_FILE_HELD_MAX are read, 2 MiB at most. */
export const ARCHIVE_READ_AHEAD = 32;

/**
 * Bytes that a compressed body may become for each of its own, once it has become INFLATED_FREE_SIZE. Archives of text reach some 20, logs
 * 100; what goes beyond is made to fill disks. The first bytes are free, so that a small archive may be anything.
 */
export const INFLATED_RATIO_MAX = 200;
export const INFLATED_FREE_SIZE = 64 * 1024 * 1024;

/** Bytes of the window of a zstd frame: what RFC 9659 allows in a content coding. Whoever decodes it holds that much memory. */
export const ZSTD_WINDOW_SIZE_MAX = 8 * 1024 * 1024;

/** Bytes of one block of a zstd frame: fixed by RFC 8878. */
export const ZSTD_BLOCK_SIZE_MAX = 128 * 1024;

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

/** Attempts of the client that come to nothing, one after the other, before it gives up: some 12 s in all, in which a service has restarted. */
export const CLIENT_ATTEMPTS_MAX = 8;

/** The same before a service has taken a request for the first time: a second for one that is just starting, and no longer wait for who mistyped its address. */
export const CLIENT_FIRST_ATTEMPTS_MAX = 4;

/** Milliseconds before the client's second attempt, and the most between two: soon after a hiccup, and little load while a service is away. */
export const CLIENT_BACKOFF_FIRST_MS = 100;
export const CLIENT_BACKOFF_MAX_MS = 5_000;

/** Milliseconds that the client waits when a service asks it to; who is to wait for longer is told. */
export const CLIENT_WAIT_MAX_MS = 60_000;

/** Connections of a client: enough that a service's commits are shared by many requests, few enough for one of thousands of clients. */
export const CLIENT_CONNECTIONS_MAX = 32;

/** Milliseconds to connect: a packet and its repetitions. */
export const CLIENT_CONNECT_TIMEOUT_MS = 10_000;

/** Milliseconds for an answer to begin: a service under load syncs within seconds, and proxies give up after a minute or two. */
export const CLIENT_ANSWER_TIMEOUT_MS = 120_000;

/** Milliseconds without a byte of an answer: four signs of life of a stream of events. */
export const CLIENT_IDLE_TIMEOUT_MS = 60_000;

/** Bytes of an answer that is taken as one value: a page of the most records, with room. */
export const CLIENT_ANSWER_SIZE_MAX = 64 * 1024 * 1024;

/** Bytes up to which the client sends, and takes, an object whole: it is held in memory, digested before it is sent or given, and costs one request. */
export const CLIENT_WHOLE_SIZE_MAX = 1024 * 1024;

/** Bytes of a stream that the client holds until the service has them for good: what it can send again when the connection breaks. */
export const CLIENT_PART_SIZE = 16 * 1024 * 1024;

/** Objects that a client sends or takes at once: the commits of the service are shared, and each holds up to CLIENT_WHOLE_SIZE_MAX bytes. */
export const CLIENT_IN_FLIGHT_MAX = 24;

/** Bytes of small files of a directory that are held together while it is asked which of them the service lacks. */
export const CLIENT_PUSH_HELD_SIZE = 32 * 1024 * 1024;

/** Bytes of a local file that the client reads in one step. */
export const CLIENT_READ_SIZE = 256 * 1024;

/** Milliseconds that the registry of a moment of the past is held for the next question about it: as long as a client takes from page to page. */
export const HTTP_PAST_HELD_MS = 10_000;

/** Milliseconds that a command that was stopped has for telling a service so: a round trip, with room. */
export const CLIENT_FAREWELL_MS = 1_000;

/** Bytes of lines that go out together, and milliseconds that one waits for others: a write each costs more than many a line, and nobody notices the wait. */
export const LINES_CHUNK_SIZE = 16 * 1024;
export const LINES_WAIT_MS = 50;

/** Bytes of a request to verify many objects: its few members, with a seed of some length. */
export const SCRUB_BODY_SIZE_MAX = 4096;

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

/**
 * Bytes of the largest object that goes to S3 from memory, in one request, and is read from there as a whole before any of it is given: hashing it takes
 * a tenth of what a request does. Larger ones wait in the spool.
 */
export const S3_SMALL_SIZE_MAX = 256 * 1024;

/**
 * Bytes of a part that an object goes up in, and parts of one object at once: large enough that a request costs little beside its bytes, and few enough
 * that all of them fit into 64 MiB of memory, which is what a part is held in while it may have to be sent again. Objects of up to one part go in one request.
 */
export const S3_PART_SIZE = 16 * 1024 * 1024;
export const S3_PARTS_IN_FLIGHT = 4;

/** Parts of all objects at once: the bound on memory, whatever the number of objects. */
export const S3_PARTS_HELD_MAX = 6;

/** Parts of one object at most: fixed by S3. Larger objects have larger parts, up to this many bytes, which S3 fixes too. */
export const S3_PARTS_MAX = 10_000;
export const S3_PART_SIZE_MAX = 5 * 1024 * 1024 * 1024;

/** Bytes of a larger part that are read at a time: such a part is read twice from the spool, for its digest and to be sent. */
export const S3_PIECE_SIZE = 1024 * 1024;

/** Bytes of a large object that are verified together when it is read: some 60 µs of the main thread, and memory that stays in its cache. */
export const S3_BLOCK_SIZE = 256 * 1024;

/**
 * Bytes from which on a download into a file is received by the core, over a connection of its own that ends with it: a handshake is nothing beside them. And milliseconds that a
 * thread waits for such a connection in one step, unless it was slow the last time: servers pause for longer than the clients of RECEIVE_WAIT_MS, and downloads are few.
 */
export const S3_RECEIVE_FROM = 4 * 1024 * 1024;
export const S3_RECEIVE_WAIT_MS = 20;

/**
 * Bytes that are decrypted into one piece of memory, of which there are four at most, and then handed to the core in one step; and bytes of an answer's head, of which a
 * server of S3 sends one or two thousand.
 */
export const S3_TLS_STEP_SIZE = 1024 * 1024;
export const S3_TLS_HEAD_SIZE_MAX = 64 * 1024;

/** Bytes written to a local file after which the disk is told to begin: some 50 ms of a slow one. */
export const S3_SYNC_SIZE = 16 * 1024 * 1024;

/** Bytes of an outboard that are fetched together, enough for 64 MiB of the object, and such pieces that a reader keeps: a range needs those on the way to it. */
export const S3_OUTBOARD_BLOCK_SIZE = 256 * 1024;
export const S3_OUTBOARD_BLOCKS_KEPT = 4;

/** Requests of small objects at once, and connections in all: a store elsewhere answers in tens of milliseconds, so many must be on their way. */
export const S3_SMALL_IN_FLIGHT = 64;
export const S3_CONNECTIONS_MAX = 128;

/** Objects that one request deletes at most: fixed by S3. */
export const S3_DELETE_MAX = 1_000;

/** Attempts of one request, and the milliseconds between them: at random between nothing and twice as much each time, some 20 seconds in all. */
export const S3_ATTEMPTS_MAX = 8;
export const S3_BACKOFF_FIRST_MS = 100;
export const S3_BACKOFF_MAX_MS = 10_000;

/** Milliseconds for a connection to be made, and in which nothing comes of an answer. */
export const S3_CONNECT_TIMEOUT_MS = 10_000;
export const S3_ANSWER_TIMEOUT_MS = 120_000;
export const S3_IDLE_TIMEOUT_MS = 60_000;

/** Bytes of an answer that is not an object's: a page of a listing has a thousand entries, some 500 KB. */
export const S3_ANSWER_SIZE_MAX = 4 * 1024 * 1024;

/** Milliseconds after which an upload in parts that nobody has ended is given up: longer than the slowest upload takes. */
export const S3_ABANDONED_MS = 24 * 60 * 60 * 1_000;

/** Milliseconds that a health check may take, and for which what it found is given again. */
export const S3_HEALTH_TIMEOUT_MS = 5_000;

/** Notices of trouble that are kept for whoever asks how the backend is. */
export const S3_NOTICES_KEPT = 8;

/** Credentials: milliseconds before their end at which new ones are asked for, as AWS's own clients do; what asking may take, try and answer. */
export const S3_CREDENTIALS_EARLY_MS = 5 * 60 * 1_000;
export const S3_CREDENTIALS_TIMEOUT_MS = 5_000;
export const S3_CREDENTIALS_ATTEMPTS_MAX = 3;
export const S3_CREDENTIALS_ANSWER_SIZE_MAX = 64 * 1024;
/** The instance metadata service is on the machine itself or not there at all; its tokens count for as long as may be. */
export const S3_METADATA_TIMEOUT_MS = 1_000;
export const S3_METADATA_TOKEN_S = 21_600;

/** Classes of one policy: beyond some dozens nobody knows any more which to choose. */
export const POLICY_CLASSES_MAX = 100;

/** Patterns of one rule, and characters of one: what a version or ref can be compared with in microseconds. */
export const POLICY_PATTERNS_MAX = 100;
export const POLICY_PATTERN_LENGTH_MAX = 256;

/** Versions of a package that a policy can keep by number: more than that many is all of them. */
export const POLICY_KEEP_LAST_MAX = 1_000_000;

/** Bytes of a policy in a request or a file: a hundred classes with some patterns each; less than an event may have. */
export const POLICY_SIZE_MAX = 128 * 1024;

/** Milliseconds in which what went can be brought back, where the policy does not say: a week, so that whoever is away for the weekend can still act. */
export const GRACE_DEFAULT_MS = 7 * 24 * 60 * 60 * 1000;

/**
 * Milliseconds in which a version is noted as pulled at most once: a policy counts in days, and an event for each read would make the log grow with its readers.
 */
export const PULL_NOTED_EVERY_MS = 24 * 60 * 60 * 1000;

/** Versions of which it is remembered that their pull was noted lately: some 2 MB. One that was forgotten is looked up. */
export const PULLS_REMEMBERED_MAX = 10_000;

/** Holds and locks that are named in a refusal: enough to know whom to ask. */
export const BLOCKERS_SHOWN_MAX = 10;

/** Versions that one plan lets go, those whose time ended first before the others: a plan is held in memory, some 200 bytes a version. The next plan has the rest. */
export const PLAN_VERSIONS_MAX = 200_000;

/** Things that stay although a policy would let them go and that one plan names, with who holds them; it counts the others. */
export const PLAN_HELD_SHOWN_MAX = 10_000;

/** Bytes of a request to place a hold, set a lock or a class. */
export const RETENTION_BODY_SIZE_MAX = 16 * 1024;

/** Characters of a reason: a sentence or two. */
export const REASON_LENGTH_MAX = 2000;

/** Versions, and objects, that a plan reads from the database in one question: some 30 ms, so that readers beside it do not wait for the plan. */
export const PLAN_SLICE_VERSIONS = 10_000;
export const PLAN_SLICE_OBJECTS = 32_768;
export const PLAN_SLICE_MANIFESTS = 1000;

/** Changes that are named to who would carry out a plan that does not fit any more. */
export const PLAN_CHANGES_SHOWN_MAX = 10;

/**
 * Times that a plan is compared with what is there, without anybody waiting, before it is carried out. When something has happened each time meanwhile, it is
 * compared once more while everybody waits.
 */
export const APPLY_LOOKS_MAX = 4;

/** Byte strings that the database is searched for after an erasure, two for each text: a search of a gigabyte takes a second for each few of them. Where there are more, it is written anew at once. */
export const ERASURE_LOOKED_FOR_MAX = 32;

/** How often an erasure tries to empty the write-ahead log while others read it, each time for SQLITE_BUSY_TIMEOUT_MS: nothing is written meanwhile. */
export const ERASURE_CHECKPOINT_TRIES = 2;

/** Bytes of the demand of an erasure over HTTP: some ten thousand digests. */
export const ERASURE_BODY_SIZE_MAX = 1024 * 1024;

/** Texts, and objects, in one event that says that they were erased: 25 and 34 bytes each, so that it stays below EVENT_SIZE_MAX. */
export const ERASED_IN_EVENT_MAX = 4000;

/** Texts that the report of an erasure shows: enough to see whether the right ones were found. */
export const ERASURE_SHOWN_MAX = 1000;

/**
 * Actors whose pseudonyms a log has at hand, some 200 bytes each. Those met first are forgotten first; when one of them acts again, it gets another
 * pseudonym, which costs a row and nothing else.
 */
export const ACTORS_REMEMBERED_MAX = 10_000;

/** Events of a plan in one commit: a few hundred bytes each, so that a commit has less than COMMIT_SIZE_MAX. */
export const APPLY_COMMIT_EVENTS = 8192;

/** Entries of a plan whose objects are tombstoned at the same time: they share commits. */
export const APPLY_ENTRIES_AT_ONCE = 8;

/** Minutes between two runs of retention in a service, at most: a month. */
export const RETENTION_EVERY_MINUTES_MAX = 31 * 24 * 60;

/** Objects a second that a service deletes and sweeps by itself: a tenth of what it could, so that those who use it hardly notice. */
export const RETENTION_THROTTLE_DEFAULT = 2000;
