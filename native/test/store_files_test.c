/*
 * Files that are taken in together: every kind and size in one batch, files that change at each moment in which they can, too few
 * descriptors, and no descriptor left behind. As on any engine, so on a ring: of one, only fstat is replaced, which no ring carries out.
 * May include: store_fixture.h, store/ingest.h, io/io.h. Run by: CTest.
 */
#include <sys/resource.h>

#include "io/io.h"
#include "store/ingest.h" /* AS_SMALL_SIZE */
#include "store_fixture.h"

enum { ROOM = AS_FILES_MAX * AS_GROUP_SIZE };

static uint8_t room[ROOM];
static char paths[AS_FILES_MAX][400];
static const char *list[AS_FILES_MAX];

static as_store *open_on(const as_io *io) {
  as_store *store;
  CHECK(as_store_open_on(io, fixture_store, AS_OPEN_CREATE, &store) == 0, "%s", as_error_detail());
  return store;
}

static const char *name_file(int i) {
  snprintf(paths[i], sizeof paths[i], "%s/file-%d", fixture_path, i);
  return list[i] = paths[i];
}

/* Takes a file out of the page cache, so that reading it takes a request. */
static void forget(const char *path) {
  int fd = open(path, O_RDONLY);
  CHECK(fd >= 0 && fsync(fd) == 0, "%s", path);
  posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  close(fd);
}

static int open_descriptors(void) { return count_entries("/proc/self/fd"); }

/* Commits a file, pumped to its end before if it is not whole. */
static int finish(as_store *store, as_ingest *ingest, as_ingested *out) {
  int status;
  as_ingest_commit(store, &ingest, NULL, 1, out, &status);
  return status;
}

/* Batches of every size, in and out of the page cache, into a room that is too small for the last small one. */
enum { SIZES = 8, FILES = 32, FILE_WITHOUT_ROOM = FILES - SIZES + 4 };
static const size_t sizes[SIZES] = {0, 1, 4096, AS_SMALL_SIZE - 1, AS_SMALL_SIZE, AS_SMALL_SIZE + 1, 100000, AS_PACK_OBJECT_MAX + 1};

/* Makes them; gives how many bytes those have that are read at once. */
static size_t make_files(uint64_t seed, int cold) {
  size_t small = 0;
  for (int i = 0; i < FILES; i++) {
    size_t size = sizes[i % SIZES];
    uint8_t *bytes = make_bytes(size, seed + (uint64_t)i);
    write_file(name_file(i), bytes, size);
    free(bytes);
    if (cold) {
      forget(list[i]);
    }
    small += size <= AS_SMALL_SIZE ? size : 0;
  }
  return small;
}

static void take_files(as_store *store, size_t space, uint64_t seed) {
  as_files *files;
  as_ingest *ingest;
  as_ingested out;
  size_t used;
  int whole;
  CHECK_INT(as_files_open(store, list, FILES, room, space, &used, &files), 0);
  CHECK(used <= space, "%zu bytes of the room", used);
  for (int i = 0; i < FILES; i++) {
    size_t size = sizes[i % SIZES];
    CHECK_INT(as_files_take(files, &ingest, &whole), 0);
    CHECK_INT(whole, size > 0 && size <= AS_SMALL_SIZE && i != FILE_WITHOUT_ROOM);
    CHECK_INT(finish(store, ingest, &out), 0);
    uint8_t *bytes = make_bytes(size, seed + (uint64_t)i);
    CHECK_INT(out.size, size);
    check_read(store, out.digests.blake3, bytes, size);
    free(bytes);
  }
  CHECK_INT(as_files_take(files, &ingest, &whole), AS_E_INVALID);
  as_files_close(files);
}

static void test_sizes(int cold) {
  as_store *store = open_on(as_io_best());
  uint64_t seed = cold ? 500 : 0;
  size_t small = make_files(seed, cold);
  take_files(store, small - 1, seed);
  int before = open_descriptors(); /* the store's own and the rings' are among them by now */
  take_files(store, small - 1, seed);
  CHECK_INT(open_descriptors(), before);
  as_store_close(store);
  fixture_remove(fixture_store);
}

/* What is no regular file, or not there, is said of itself alone, by its name; what is not taken is closed. */
static void test_unfit(void) {
  as_store *store = open_on(as_io_best());
  as_files *files;
  as_ingest *handle;
  as_ingested out;
  size_t used;
  int whole;
  for (int i = 0; i < 6; i++) {
    unlink(name_file(i));
  }
  ingest(store, "abc", 3);
  int before = open_descriptors();
  write_file(list[0], "abc", 3);
  CHECK(mkfifo(list[2], 0600) == 0 && mkdir(list[3], 0700) == 0, "%s", list[2]);
  write_file(list[4], "def", 3);
  CHECK_INT(as_files_open(store, list, AS_FILES_MAX + 1, room, ROOM, &used, &files), AS_E_INVALID);
  CHECK_INT(as_files_open(store, list, 6, room, ROOM, &used, &files), 0);
  static const int wanted[] = {0, AS_E_SOURCE, AS_E_NOT_FILE, AS_E_NOT_FILE, 0};
  for (int i = 0; i < 5; i++) {
    CHECK_INT(as_files_take(files, &handle, &whole), wanted[i]);
    CHECK(!wanted[i] || strstr(as_error_detail(), list[i]), "detail is \"%s\"", as_error_detail());
    CHECK((handle == NULL) == (wanted[i] != 0), "%s", list[i]);
    if (handle) {
      CHECK_INT(finish(store, handle, &out), 0);
    }
  }
  as_files_close(files); /* the last is not taken */
  write_file(list[5], room, AS_SMALL_SIZE + 1);
  CHECK_INT(as_files_open(store, list + 5, 1, room, ROOM, &used, &files), 0);
  CHECK_INT(used, 0);
  as_files_close(files); /* nor is this, and it is open */
  CHECK_INT(open_descriptors(), before);
  CHECK(rmdir(list[3]) == 0 && unlink(list[2]) == 0, "%s", list[3]);
  as_store_close(store);
  fixture_remove(fixture_store);
}

/* ---- folders ---- */

static int whole_paths; /* files and folders opened by their whole path */

static int open_and_count(const as_io *io, int directory, const char *path, int flags, mode_t mode) {
  whole_paths += directory == AT_FDCWD;
  return as_io_posix()->open(io, directory, path, flags, mode);
}

/* Files that follow each other in one folder are opened in it; what is not there is said by its whole path. */
static void test_folders(void) {
  enum { IN_FIRST = 10, ALONE = 10, MISSING = 11, FIRST_AGAIN = 14, COUNT = 16, CALLS = 1 + 1 + 5 + 1 };
  as_io engine = *as_io_best();
  as_store *store = open_on(&engine);
  as_files *files;
  size_t used;
  char folder[300];
  for (int i = 0; i < COUNT; i++) {
    const char *name = i == ALONE ? "second" : i >= MISSING && i < FIRST_AGAIN ? "third" : "first";
    snprintf(folder, sizeof folder, "%s/%s", fixture_path, name);
    snprintf(paths[i], sizeof paths[i], "%s/file-%d", folder, i);
    list[i] = paths[i];
    if (i < MISSING || i >= FIRST_AGAIN) {
      CHECK(mkdir(folder, 0700) == 0 || errno == EEXIST, "%s", folder);
      write_file(list[i], list[i], strlen(list[i]));
    }
  }
  int before = open_descriptors();
  engine.open = open_and_count;
  whole_paths = 0;
  CHECK_INT(as_files_open(store, list, COUNT, room, ROOM, &used, &files), 0);
  CHECK_INT(whole_paths, CALLS); /* the third folder is tried for all but the last of its files */
  CHECK_INT(open_descriptors(), before);
  for (int i = 0; i < COUNT; i++) {
    as_ingest *ingest;
    as_ingested out;
    int whole;
    int is_missing = i >= MISSING && i < FIRST_AGAIN;
    CHECK_INT(as_files_take(files, &ingest, &whole), is_missing ? AS_E_SOURCE : 0);
    if (is_missing) {
      CHECK(strstr(as_error_detail(), list[i]), "detail is \"%s\"", as_error_detail());
    } else {
      CHECK_INT(finish(store, ingest, &out), 0);
      check_read(store, out.digests.blake3, (const uint8_t *)list[i], strlen(list[i]));
      unlink(list[i]);
    }
  }
  as_files_close(files);
  as_store_close(store);
  fixture_remove(fixture_store);
  static const char *const made[] = {"first", "second"};
  for (int i = 0; i < 2; i++) {
    snprintf(folder, sizeof folder, "%s/%s", fixture_path, made[i]);
    CHECK(rmdir(folder) == 0, "%s", folder);
  }
}

/* ---- files that change ---- */

static void grow(const char *path) {
  int fd = open(path, O_WRONLY | O_APPEND);
  CHECK(write(fd, "x", 1) == 1, "%s", path);
  close(fd);
}

static void cut(const char *path) { CHECK(truncate(path, 1000) == 0, "%s", path); }

static void empty(const char *path) { CHECK(truncate(path, 0) == 0, "%s", path); }

static void overwrite(const char *path) {
  int fd = open(path, O_WRONLY);
  CHECK(pwrite(fd, "x", 1, 5) == 1, "%s", path);
  close(fd);
}

static void (*change)(const char *path); /* NULL: nothing to change any more */
static const char *changing;
static ino_t changing_inode;
static int looks_before; /* at the file that changes: how many go by before it does */

/* fstat, behind which one file changes. */
static int stat_and_change(const as_io *io, int fd, struct stat *out) {
  int error = as_io_posix()->stat(io, fd, out);
  if (!error && change && out->st_ino == changing_inode && looks_before-- == 0) {
    change(changing);
    change = NULL;
  }
  return error;
}

/* fstat, in front of whose second look it changes. */
static int change_and_stat(const as_io *io, int fd, struct stat *out) {
  struct stat now;
  CHECK(fstat(fd, &now) == 0, "fstat");
  if (change && now.st_ino == changing_inode && looks_before-- == 0) {
    change(changing);
    change = NULL;
  }
  return as_io_posix()->stat(io, fd, out);
}

/* One of many changes: it is refused, and the others are taken in. */
static void take_while(as_io *engine, void (*what)(const char *path), int cold) {
  enum { COUNT = 20, CHANGED = 7, SIZE = 5000 };
  as_store *store = open_on(engine);
  struct timespec pause = {0, 20000000}; /* file times move with the kernel's tick */
  struct stat status;
  as_files *files;
  size_t used;
  for (int i = 0; i < COUNT; i++) {
    uint8_t *bytes = make_bytes(SIZE, (uint64_t)i);
    write_file(name_file(i), bytes, SIZE);
    free(bytes);
    if (cold) {
      forget(list[i]);
    }
  }
  CHECK(stat(list[CHANGED], &status) == 0, "%s", list[CHANGED]);
  nanosleep(&pause, NULL);
  changing = list[CHANGED];
  changing_inode = status.st_ino;
  looks_before = engine->stat == change_and_stat;
  change = what;
  CHECK_INT(as_files_open(store, list, COUNT, room, ROOM, &used, &files), 0);
  CHECK(change == NULL, "the file has not changed");
  for (int i = 0; i < COUNT; i++) {
    as_ingest *ingest;
    as_ingested out;
    int whole;
    CHECK_INT(as_files_take(files, &ingest, &whole), i == CHANGED ? AS_E_CHANGED : 0);
    if (ingest) {
      uint8_t *bytes = make_bytes(SIZE, (uint64_t)i);
      CHECK_INT(finish(store, ingest, &out), 0);
      check_read(store, out.digests.blake3, bytes, SIZE);
      free(bytes);
    }
  }
  as_files_close(files);
  as_store_close(store);
  fixture_remove(fixture_store);
}

static void test_changes(void) {
  static void (*const changes[])(const char *) = {grow, cut, empty, overwrite};
  as_io engine = *as_io_best();
  for (int i = 0; i < 16; i++) {
    engine.stat = i & 1 ? change_and_stat : stat_and_change;
    take_while(&engine, changes[i / 4], i & 2);
  }
}

/* ---- descriptors ---- */

/* More files than may be open: they are opened one after the other. */
static void test_few_descriptors(void) {
  as_store *store = open_on(as_io_best());
  struct rlimit limit, few;
  as_files *files;
  size_t used;
  for (int i = 0; i < AS_FILES_MAX; i++) {
    write_file(name_file(i), list[i], strlen(name_file(i)));
  }
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  few = (struct rlimit){(rlim_t)open_descriptors() + 8, limit.rlim_max};
  CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0, "setrlimit");
  CHECK_INT(as_files_open(store, list, AS_FILES_MAX, room, ROOM, &used, &files), 0);
  CHECK(used < AS_FILES_MAX * strlen(list[0]), "all could be opened");
  for (int i = 0; i < AS_FILES_MAX; i++) {
    as_ingest *ingest;
    as_ingested out;
    int whole;
    CHECK(as_files_take(files, &ingest, &whole) == 0, "file %d: %s", i, as_error_detail());
    CHECK_INT(finish(store, ingest, &out), 0);
    check_read(store, out.digests.blake3, (const uint8_t *)list[i], strlen(list[i]));
  }
  as_files_close(files);
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  as_store_close(store);
  fixture_remove(fixture_store);
}

int main(void) {
  fixture_begin();
  test_sizes(0);
  test_sizes(1);
  test_unfit();
  test_folders();
  test_changes();
  test_few_descriptors();
  fixture_clean();
  return 0;
}
