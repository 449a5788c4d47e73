/*
 * Beginning, checkpointing, ending and listing upload sessions; see session.h.
 * May include: session.h, ingest.h, core/error.h, io/io.h. Called by: as declared there.
 */
#include "store/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "store/ingest.h"

#define FOLDER "uploads"
#define SUFFIX_PART ".part"
#define SUFFIX_STATE ".state"

/* A path relative to the store's folder. */
typedef struct session_path {
  char text[96];
} session_path;
_Static_assert(sizeof FOLDER + AS_SESSION_ID_MAX + sizeof SUFFIX_STATE < sizeof(session_path), "paths fit");

static session_path path_of(const char *folder, const char *id, const char *suffix) {
  session_path path;
  snprintf(path.text, sizeof path.text, "%s/%.*s%s", folder, AS_SESSION_ID_MAX, id, suffix);
  return path;
}

static session_path part_of(const char *id) { return path_of(FOLDER, id, SUFFIX_PART); }
static session_path state_of(const char *id) { return path_of(FOLDER, id, SUFFIX_STATE); }
static session_path staged_state_of(const char *id) { return path_of("staging", id, SUFFIX_STATE); }

/* ---- the folder ---- */

/* Makes uploads/ durably there, once for each time the store is opened: what an earlier process did to names in it is synced too. */
static int make_folder(as_store *store) {
  const as_io *io = store->io;
  int error = io->make_directory(io, store->root, FOLDER, 0777);
  error = error == -EEXIST ? 0 : error;
  int fd = error ? error : as_io_open(io, store->root, FOLDER, O_RDONLY | O_DIRECTORY, 0);
  error = fd < 0 ? fd : as_io_sync_all(io, store->root);
  error = error ? error : as_io_sync_all(io, fd);
  if (error) {
    as_io_close(io, &fd);
    return as_store_fail(store, error, "mkdir", FOLDER);
  }
  store->uploads = fd;
  return 0;
}

static int need_folder(as_store *store) {
  pthread_mutex_lock(&store->mutex);
  int error = store->uploads < 0 ? make_folder(store) : 0;
  pthread_mutex_unlock(&store->mutex);
  return error;
}

static int sync_folder(as_store *store) {
  int error = as_io_sync_all(store->io, store->uploads);
  return error ? as_store_fail(store, error, "fsync", FOLDER) : 0;
}

static void note_removal(as_store *store) {
  pthread_mutex_lock(&store->mutex);
  store->uploads_changed = 1;
  pthread_mutex_unlock(&store->mutex);
}

/* Before a name is used again: a state file that went with an earlier session must not come back to a new one's part. */
static int settle_removals(as_store *store) {
  pthread_mutex_lock(&store->mutex);
  int error = store->uploads_changed ? sync_folder(store) : 0;
  store->uploads_changed = store->uploads_changed && error;
  pthread_mutex_unlock(&store->mutex);
  return error;
}

/* Removes a file of a session; *found, unless NULL, is set when it was there. */
static int drop(as_store *store, session_path path, int *found) {
  int error = store->io->unlink(store->io, store->root, path.text);
  if (!error) {
    note_removal(store);
    if (found) {
      *found = 1;
    }
  }
  return error && error != -ENOENT ? as_store_fail(store, error, "unlink", path.text) : 0;
}

/* The part first: a state file without one is a session that has ended. */
static int drop_both(as_store *store, const char *id, int *found) {
  int error = drop(store, part_of(id), found);
  return error ? error : drop(store, state_of(id), found);
}

/* ---- who uses a session ---- */

static int is_id(const char *id) {
  size_t size = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
  return size >= 1 && size <= AS_SESSION_ID_MAX && id[size] == '\0';
}

/* The session among those in use, once its files have been looked at; the mutex is held. */
static as_session *find_in_use(as_store *store, const char *id) {
  as_session *at = store->sessions;
  while (at && strcmp(at->id, id) != 0) {
    at = at->next;
  }
  return at;
}

static as_session *wait_in_use(as_store *store, const char *id) {
  as_session *at;
  while ((at = find_in_use(store, id)) && at->loading) {
    pthread_cond_wait(&store->sessions_changed, &store->mutex);
  }
  return at;
}

/* Takes a session for the caller alone. `in_use`, unless NULL, receives how far it has come instead of AS_E_BUSY. */
static int claim(as_store *store, const char *id, as_session **out, as_session_status *in_use) {
  *out = NULL;
  if (!is_id(id)) {
    return as_fail(AS_E_INVALID, "session", NULL);
  }
  as_session *session = calloc(1, sizeof *session);
  if (!session) {
    return as_fail(-ENOMEM, "session", NULL);
  }
  session->store = store;
  session->loading = 1;
  memcpy(session->id, id, strlen(id) + 1);
  pthread_mutex_lock(&store->mutex);
  const as_session *other = wait_in_use(store, id);
  int error = !other ? 0 : !in_use ? AS_E_BUSY : other->known ? 0 : AS_E_MISSING;
  if (!other) {
    session->next = store->sessions;
    store->sessions = session;
    *out = session;
  } else if (!error) {
    *in_use = other->durable;
  }
  pthread_mutex_unlock(&store->mutex);
  if (!*out) {
    free(session);
  }
  return error ? as_store_fail(store, error, "session", part_of(id).text) : 0;
}

static void release(as_session *session) {
  as_store *store = session->store;
  pthread_mutex_lock(&store->mutex);
  as_session **link = &store->sessions;
  while (*link != session) {
    link = &(*link)->next;
  }
  *link = session->next;
  pthread_cond_broadcast(&store->sessions_changed);
  pthread_mutex_unlock(&store->mutex);
  free(session);
}

static void loaded(as_session *session, const as_session_status *durable) {
  pthread_mutex_lock(&session->store->mutex);
  session->loading = 0;
  if (durable) {
    session->known = 1;
    session->durable = *durable;
  }
  pthread_cond_broadcast(&session->store->sessions_changed);
  pthread_mutex_unlock(&session->store->mutex);
}

/* ---- what is there ---- */

/* A session's files, and where they stand. */
typedef struct found_session {
  int part;
  int state;
  int torn;
  uint64_t part_size;
  as_checkpoint checkpoint;
} found_session;

static void close_found(as_store *store, found_session *found) {
  as_io_close(store->io, &found->part);
  as_io_close(store->io, &found->state);
}

static int open_file(as_store *store, session_path path, int flags, int *fd) {
  *fd = as_io_open(store->io, store->root, path.text, flags, 0);
  return *fd >= 0 ? 0 : as_store_fail(store, *fd == -ENOENT ? AS_E_MISSING : *fd, "open", path.text);
}

/* Reads the checkpoint, and makes durable what it says is: the process that wrote it may have been killed before its sync. */
static int read_found(as_store *store, const char *id, found_session *found) {
  const as_io *io = store->io;
  struct stat status;
  int error = as_checkpoint_read(io, found->state, &found->checkpoint, &found->torn);
  error = error ? error : io->stat(io, found->part, &status);
  if (!error) {
    found->part_size = (uint64_t)status.st_size;
    error = found->part_size < found->checkpoint.offset ? AS_E_CORRUPT : 0;
  }
  if (!error && !store->read_only) {
    error = as_io_sync_data(io, found->part);
    error = error ? error : as_io_sync_data(io, found->state);
  }
  return error ? as_store_fail(store, error, "read", state_of(id).text) : 0;
}

/* AS_E_MISSING when there is no such session, or it has ended. */
static int open_session(as_store *store, const char *id, int flags, found_session *found) {
  found->part = found->state = -1;
  int error = open_file(store, state_of(id), flags, &found->state);
  error = error ? error : open_file(store, part_of(id), flags, &found->part);
  error = error ? error : read_found(store, id, found);
  if (error) {
    close_found(store, found);
  }
  return error;
}

/* The digests of what a stream has absorbed; the stream goes on. */
static void digest_so_far(const as_dual *dual, as_session_status *out) {
  as_dual copy = *dual;
  copy.sink = NULL;
  out->offset = as_dual_length(dual);
  as_dual_finish(&copy, &out->digests);
}

static int status_of(as_store *store, const char *id, const as_checkpoint *checkpoint, as_session_status *out) {
  as_dual dual;
  int error = as_dual_import(&dual, checkpoint->state, checkpoint->state_size, NULL, NULL);
  if (error || as_dual_length(&dual) != checkpoint->offset) {
    return as_store_fail(store, AS_E_CORRUPT, "read", state_of(id).text);
  }
  digest_so_far(&dual, out);
  return 0;
}

/* ---- beginning ---- */

int as_session_open_part(as_session *session, as_staged *out) {
  as_store *store = session->store;
  session_path path = part_of(session->id);
  int error = settle_removals(store);
  if (error) {
    return error;
  }
  *out = (as_staged){.kept = 1};
  memcpy(out->name, path.text, sizeof path.text);
  out->fd = as_io_open(store->io, store->root, path.text, O_RDWR | O_CREAT | O_TRUNC, 0644);
  session->part_made = out->fd >= 0;
  return out->fd < 0 ? as_store_fail(store, out->fd, "open", path.text) : 0;
}

/* In staging/ first: in uploads/ a state file has a whole checkpoint from its first moment on. */
int as_session_open_state(void *context) {
  as_session *session = context;
  as_store *store = session->store;
  session_path path = staged_state_of(session->id);
  int fd = as_io_open(store->io, store->root, path.text, O_RDWR | O_CREAT | O_TRUNC, 0644);
  session->state_staged = fd >= 0;
  return fd < 0 ? as_store_fail(store, fd, "open", path.text) : fd;
}

/* Takes back what came behind the checkpoint. */
static int cut_to_checkpoint(as_store *store, const char *id, found_session *found) {
  int error = found->torn ? as_checkpoint_clear(store->io, found->state, &found->checkpoint) : 0;
  if (!error && found->part_size > found->checkpoint.offset) {
    error = as_io_truncate(store->io, found->part, found->checkpoint.offset);
  }
  return error ? as_store_fail(store, error, "truncate", part_of(id).text) : 0;
}

/* An object that may still be packed has all its bytes in memory. */
static int keep_small(as_ingest *ingest, const found_session *found) {
  uint64_t offset = found->checkpoint.offset;
  if (offset > AS_PACK_OBJECT_MAX) {
    return 0;
  }
  uint8_t *bytes = as_ingest_keep(ingest, (size_t)offset);
  if (!bytes) {
    return as_fail(-ENOMEM, "session", NULL);
  }
  ssize_t size = as_io_read(ingest->store->io, found->part, bytes, (size_t)offset, 0);
  int error = size < 0 ? (int)size : (uint64_t)size == offset ? 0 : AS_E_CORRUPT;
  return error ? as_store_fail(ingest->store, error, "read", part_of(ingest->session->id).text) : 0;
}

/* Puts the stream where the checkpoint stands; the files become the ingest's. */
static int restore(as_ingest *ingest, found_session *found) {
  const as_checkpoint *checkpoint = &found->checkpoint;
  as_stream *stream = ingest->stream;
  int error = keep_small(ingest, found);
  error = error ? error
                : as_dual_import(&stream->dual, checkpoint->state, checkpoint->state_size, as_cv_list_add, &stream->values);
  if (error) {
    return error;
  }
  as_cv_list_resume(&stream->values, found->state, as_checkpoint_groups(checkpoint->offset), checkpoint->values_crc);
  stream->staged = (as_staged){.fd = found->part, .kept = 1};
  session_path path = part_of(ingest->session->id);
  memcpy(stream->staged.name, path.text, sizeof path.text);
  found->part = found->state = -1;
  stream->written = stream->write_back_started = stream->synced = ingest->length = checkpoint->offset;
  ingest->session->part_made = 1;
  ingest->session->sequence = checkpoint->sequence;
  return 0;
}

/* An ingest for the claimed session, whose files are `found`, NULL for a new one. */
static int begin(as_session *session, found_session *found, as_ingest **out) {
  int error = as_ingest_begin(session->store, out);
  if (error) {
    return error;
  }
  (*out)->session = session;
  error = as_ingest_start_stream(*out);
  error = error || !found ? error : restore(*out, found);
  if (error) {
    (*out)->session = NULL; /* the caller releases it */
    as_ingest_abort(*out);
    *out = NULL;
  }
  return error;
}

static int begin_new(as_session *session, uint64_t offset, as_ingest **out) {
  if (offset > 0) {
    return as_store_fail(session->store, AS_E_MISSING, "session", part_of(session->id).text);
  }
  int error = drop(session->store, state_of(session->id), NULL); /* of one that has ended */
  error = error ? error : begin(session, NULL, out);
  if (!error) {
    loaded(session, NULL);
  }
  return error;
}

static int go_on(as_session *session, found_session *found, uint64_t offset, as_ingest **out) {
  as_session_status durable;
  int error = status_of(session->store, session->id, &found->checkpoint, &durable);
  if (!error && found->checkpoint.offset != offset) {
    error = as_store_fail(session->store, AS_E_OFFSET, "session", part_of(session->id).text);
  }
  error = error ? error : cut_to_checkpoint(session->store, session->id, found);
  error = error ? error : begin(session, found, out);
  if (!error) {
    loaded(session, &durable);
  }
  return error;
}

int as_session_begin(as_store *store, const char *id, uint64_t offset, as_ingest **out, uint64_t *durable) {
  as_session *session;
  *out = NULL;
  *durable = 0;
  if (store->read_only) {
    return as_store_fail(store, AS_E_READ_ONLY, "session", FOLDER);
  }
  int error = claim(store, id, &session, NULL);
  if (error) {
    return error;
  }
  found_session *found = calloc(1, sizeof *found);
  error = found ? need_folder(store) : as_fail(-ENOMEM, "session", NULL);
  error = error ? error : open_session(store, id, O_RDWR, found);
  if (error == AS_E_MISSING) {
    error = begin_new(session, offset, out);
  } else if (!error) {
    *durable = found->checkpoint.offset;
    error = go_on(session, found, offset, out);
    close_found(store, found);
  }
  free(found);
  if (error) {
    release(session);
  }
  return error;
}

/* ---- checkpoints ---- */

/* Writes the bytes, then what counts them. */
static int write_checkpoint(as_ingest *ingest, as_checkpoint *checkpoint) {
  as_session *session = ingest->session;
  as_store *store = ingest->store;
  as_stream *stream = ingest->stream;
  int error = stream->staged.fd < 0 ? as_session_open_part(session, &stream->staged) : 0;
  error = error ? error : as_ingest_settle(ingest);
  error = error ? error : as_io_sync_data(store->io, stream->staged.fd);
  error = error ? error : as_cv_list_spool(&stream->values);
  error = error ? error : as_checkpoint_take(checkpoint, &stream->dual, session->sequence + 1, stream->values.crc);
  error = error ? error : as_checkpoint_write(store->io, stream->values.scratch, checkpoint);
  error = error ? error : as_io_sync_data(store->io, stream->values.scratch);
  return error ? as_store_fail(store, error, "write", state_of(session->id).text) : 0;
}

/* The session is there from its first checkpoint on. */
static int publish_state(as_session *session) {
  as_store *store = session->store;
  session_path from = staged_state_of(session->id), to = state_of(session->id);
  int error = store->io->rename(store->io, store->root, from.text, store->root, to.text);
  if (error) {
    return as_store_fail(store, error, "rename", to.text);
  }
  session->state_staged = 0;
  return sync_folder(store);
}

static int checkpoint_now(as_ingest *ingest, as_session_status *out) {
  as_session *session = ingest->session;
  as_checkpoint *checkpoint = malloc(sizeof *checkpoint);
  int error = checkpoint ? write_checkpoint(ingest, checkpoint) : as_fail(-ENOMEM, "session", NULL);
  free(checkpoint);
  if (!error && session->state_staged) {
    error = publish_state(session);
  }
  if (!error) {
    session->sequence++;
    digest_so_far(&ingest->stream->dual, out);
    loaded(session, out);
  }
  return error;
}

int as_session_checkpoint(as_ingest *ingest, as_session_status *out) {
  as_session *session = ingest->session;
  if (!session || ingest->error) {
    return as_store_fail(ingest->store, ingest->error ? ingest->error : AS_E_INVALID, "session", FOLDER);
  }
  if (session->sequence && session->durable.offset == ingest->length) { /* only this thread changes it */
    *out = session->durable;
    return 0;
  }
  ingest->error = checkpoint_now(ingest, out);
  return ingest->error;
}

/* ---- ending ---- */

void as_session_end(as_session *session) {
  session->ended = 1;
  note_removal(session->store); /* a part that has become an object's file went by itself */
  drop_both(session->store, session->id, NULL); /* what stays is seen, and removed, as a session that nobody goes on with */
}

void as_session_leave(as_session *session) {
  as_store *store = session->store;
  if (session->state_staged) {
    store->io->unlink(store->io, store->root, staged_state_of(session->id).text); /* if it stays, opening the store removes it */
  }
  if (session->part_made && !session->sequence && !session->ended) {
    drop(store, part_of(session->id), NULL);
  }
  release(session);
}

int as_session_remove(as_store *store, const char *id, int *removed) {
  as_session *session;
  *removed = 0;
  if (store->read_only) {
    return as_store_fail(store, AS_E_READ_ONLY, "session", FOLDER);
  }
  int error = claim(store, id, &session, NULL);
  if (error) {
    return error;
  }
  error = drop_both(store, id, removed);
  if (!error && *removed) {
    error = need_folder(store);
    error = error ? error : settle_removals(store);
  }
  release(session);
  return error;
}

/* ---- looking ---- */

int as_session_look(as_store *store, const char *id, as_session_status *out) {
  as_session *session;
  int error = claim(store, id, &session, out);
  if (error || !session) {
    return error;
  }
  found_session *found = calloc(1, sizeof *found);
  error = found ? open_session(store, id, O_RDONLY, found) : as_fail(-ENOMEM, "session", NULL);
  if (!error) {
    error = status_of(store, id, &found->checkpoint, out);
    error = error || store->read_only ? error : need_folder(store); /* syncs the names, if nobody has */
    close_found(store, found);
  }
  free(found);
  release(session);
  return error;
}

typedef struct listing {
  as_store *store;
  int (*visit)(void *context, const as_session_entry *entry);
  void *context;
} listing;

/* Adds one of its files to what is known of a session; 1 when it is there, 0, or a negative errno. */
static int add_file(as_store *store, session_path path, as_session_entry *entry) {
  struct stat status;
  int error = store->io->stat_at(store->io, store->root, path.text, &status);
  if (error) {
    return error == -ENOENT ? 0 : as_store_fail(store, error, "stat", path.text);
  }
  uint64_t changed = (uint64_t)status.st_mtim.tv_sec * 1000 + (uint64_t)status.st_mtim.tv_nsec / 1000000;
  entry->changed_ms = changed > entry->changed_ms ? changed : entry->changed_ms;
  entry->stored_size += (uint64_t)status.st_blocks * 512; /* the unit of st_blocks, whatever the file system's block is */
  return 1;
}

/* Each session once: with its part, or with its state file when it has no part. */
static int visit_name(void *context, const char *name) {
  const listing *list = context;
  as_session_entry entry = {.changed_ms = 0};
  const char *dot = strchr(name, '.');
  size_t size = dot ? (size_t)(dot - name) : 0;
  if (size < 1 || size > AS_SESSION_ID_MAX) {
    return 0;
  }
  memcpy(entry.id, name, size);
  int is_part = strcmp(dot, SUFFIX_PART) == 0;
  if (!is_id(entry.id) || (!is_part && strcmp(dot, SUFFIX_STATE) != 0)) {
    return 0;
  }
  int part = add_file(list->store, part_of(entry.id), &entry);
  if (part < 0 || (part && !is_part)) {
    return part < 0 ? part : 0;
  }
  int state = add_file(list->store, state_of(entry.id), &entry);
  return state < 0 ? state : part || state ? list->visit(list->context, &entry) : 0;
}

int as_session_list(as_store *store, int (*visit)(void *context, const as_session_entry *entry), void *context) {
  listing list = {store, visit, context};
  int error = store->io->list(store->io, store->root, FOLDER, visit_name, &list);
  return error == -ENOENT ? 0 : error;
}
