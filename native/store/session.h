/*
 * Upload sessions: an ingest that goes on over several calls, and over restarts, from where it was last made durable. A session is a
 * part, uploads/<id>.part (its bytes), and uploads/<id>.state (how far they are durable, and the hash state there; checkpoint.h).
 * May include: checkpoint.h, staging.h, store.h. Called by: ingest.c, commit.c; as_session_… of artifactstore.h by users of the core.
 *
 * The order is: bytes synced, then the checkpoint that counts them written and synced, then acknowledged. Nothing of a session is kept in
 * memory between calls, so going on after a crash is the only way of going on there is.
 */
#ifndef AS_STORE_SESSION_H
#define AS_STORE_SESSION_H

#include "store/checkpoint.h"
#include "store/staging.h"
#include "store/store.h"

/* A session that somebody is writing to, or looking at. */
typedef struct as_session {
  as_store *store;
  char id[AS_SESSION_ID_MAX + 1];
  int state_staged;           /* the state file has been made, in staging/, and is not in uploads/ yet */
  int part_made;
  int ended;                  /* stored: nothing of it is left */
  uint64_t sequence;          /* of the last checkpoint; 0: none */
  /* The rest is guarded by the store's mutex. */
  struct as_session *next;
  int loading;                /* its files are being looked at: wait until `durable` is known */
  int known;                  /* there is a durable checkpoint, which says: */
  as_session_status durable;
} as_session;

/* Makes the session's part, empty, for as_ingest. Returns 0 or a negative errno. */
int as_session_open_part(as_session *session, as_staged *out);

/* Makes the session's state file; `session` is an as_session. The open_scratch of its list of chaining values: a descriptor or a negative
 * errno. */
int as_session_open_state(void *session);

/* The object is stored: removes what is left of the session. */
void as_session_end(as_session *session);

/* Nobody uses the session any longer; frees it. One without a checkpoint leaves nothing behind. */
void as_session_leave(as_session *session);

#endif
