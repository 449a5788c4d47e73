/*
 * The race between a sweep and an ingest of the same content, exhaustively: docs/adr/0033, lib/store/address-guard.ts, lib/store/lifecycle.ts.
 *
 * One content. It is stored and recorded at the beginning. INGESTS put it again, each as the store does: a ticket, the data plane (which writes
 * the bytes or finds them there), and then, under the lock of the address, either a record or, if the content was deleted since the ticket was taken and its bytes
 * are gone, another attempt. RETIRERS write a tombstone, UNDELETER takes it back, SWEEPERS remove the bytes and record that, each under the lock and
 * after looking at the state there. RECONCILER removes bytes that the log knows nothing of. At any moment the process may crash, once: what is durable stays,
 * everything else is gone, and whoever was at work begins anew or not at all.
 *
 * Claims, in every state that can be reached:
 *   - what the log says is live, and what it says is tombstoned, has its bytes (`held`); while somebody holds the lock between two steps it may be otherwise
 *   - an ingest that was acknowledged is live or tombstoned unless a tombstone was written behind its record
 *   - a package that is published is whole
 * and there is no state in which nobody can go on (spin looks for that by itself).
 *
 * BROKEN leaves a step out, to show that the claims can fail: 1 the look at deletions before a record, 2 the look at the state before a removal,
 * 3 the note of a removal, 4 the lock of the sweeper. 5 and 6 note a removal, and a tombstone, before they happen and not behind: an ingest that begins between the
 * two does not learn of it. That is how the store did it until this model found it.
 *
 * Two worlds, because one with all of it has too many states to go through: without CRASH two of each at once, with it one of each and what comes after.
 *
 *   spin -a sweep.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m1000000
 *   spin -a -DCRASH sweep.pml && …
 */

#ifndef BROKEN
#define BROKEN 0
#endif
#ifndef INGESTS
#define INGESTS 2
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 3 /* PUT_ATTEMPTS_MAX: at the last one the lock is held from the beginning */
#endif

#define LIVE 1
#define TOMBSTONED 2
#define DELETED 3
#define DAMAGED 4 /* undeleted, and its bytes turned out to be gone: the log says so */

bool bytes = true;      /* the data plane: durable */
byte state = LIVE;      /* what the log says: durable */
byte tombstones = 0;    /* written so far: what was recorded when is told by it */
bool needed = false;    /* a package has been published that needs it */

bool locked = false;    /* of the address: in memory, as is the rest */
byte clock = 0;         /* deletions so far */
byte deletedAt = 0;     /* when the content was last deleted */

byte epoch = 0;         /* crashes so far: whoever began before one is gone */
bool acknowledged[INGESTS];
byte recordedBefore[INGESTS]; /* tombstones that were written when it was recorded */

#define ALIVE (epoch == mine)
/* Takes the lock, or is gone with the process. */
#define LOCK atomic { (!locked || !ALIVE) -> if :: !ALIVE -> goto gone :: else -> locked = true fi }
#define UNLOCK atomic { if :: ALIVE -> locked = false :: else -> goto gone fi }
/* A step that happens wholly or not at all; nobody whose process is gone takes any. */
#define STEP(what) atomic { if :: !ALIVE -> goto gone :: else -> what fi }

proctype Ingest(byte me) {
  byte mine = epoch, ticket, attempt = 0;
  bool retry;
  do
  :: attempt++;
     STEP(ticket = clock);
     if
     :: attempt == ATTEMPTS -> LOCK; STEP(bytes = true) /* nobody can delete it meanwhile */
     :: else -> STEP(bytes = true); LOCK /* found there, or written: either way it is there now */
     fi;
     STEP(retry = (BROKEN != 1 && attempt != ATTEMPTS && deletedAt > ticket && !bytes));
     if
     :: retry -> UNLOCK
     :: else ->
        STEP(state = LIVE; recordedBefore[me] = tombstones);
        STEP(acknowledged[me] = true);
        UNLOCK;
        break
     fi
  od;
gone:
  skip
}

proctype Retirer() {
  byte mine = epoch;
  LOCK;
  bool chosen;
  STEP(chosen = (!needed && (state == LIVE || state == DAMAGED)));
  if
  :: chosen ->
     if :: BROKEN == 6 -> STEP(clock++; deletedAt = clock) :: else fi;
     STEP(state = TOMBSTONED; tombstones++);
     if :: BROKEN != 6 -> STEP(clock++; deletedAt = clock) :: else fi
  :: else
  fi;
  UNLOCK;
gone:
  skip
}

/* A package with a file that has not changed since it was pushed before: it is not read again as long as the log says that it is live. */
proctype Publisher() {
  byte mine = epoch, ticket;
  bool whole;
  STEP(ticket = clock);
  STEP(whole = (state == LIVE));
  if
  :: whole ->
     LOCK;
     STEP(if :: deletedAt > ticket -> whole = (state == LIVE) :: else fi);
     if :: whole -> STEP(needed = true) :: else fi;
     UNLOCK
  :: else
  fi;
gone:
  skip
}

proctype Undeleter() {
  byte mine = epoch;
  LOCK;
  STEP(if :: state == TOMBSTONED && bytes -> state = LIVE :: state == TOMBSTONED && !bytes -> state = DAMAGED :: else fi);
  UNLOCK;
gone:
  skip
}

proctype Sweeper() {
  byte mine = epoch;
  bool due;
  STEP(due = (state == TOMBSTONED)); /* from the list of what is due, before the lock */
  if :: BROKEN != 4 -> LOCK :: else fi;
  if :: BROKEN != 2 -> STEP(due = (state == TOMBSTONED)) :: else fi;
  if
  :: due ->
     if :: BROKEN == 5 -> STEP(clock++; deletedAt = clock) :: else fi;
     STEP(bytes = false);
     if :: BROKEN != 3 && BROKEN != 5 -> STEP(clock++; deletedAt = clock) :: else fi;
     STEP(state = DELETED)
  :: else
  fi;
  if :: BROKEN != 4 -> UNLOCK :: else fi;
gone:
  skip
}

proctype Reconciler() {
  byte mine = epoch;
  bool orphan;
  STEP(orphan = (bytes && state == DELETED)); /* from the lists, before the lock */
  LOCK;
  STEP(orphan = (orphan && state == DELETED));
  if
  :: orphan -> STEP(bytes = false); STEP(clock++; deletedAt = clock)
  :: else
  fi;
  UNLOCK;
gone:
  skip
}

/* The process ends, and another one opens the store. */
proctype Crash() {
  atomic {
    epoch++;
    locked = false;
    clock = 0;
    deletedAt = 0
  };
  run Ingest(0); /* whoever was not told that its content is stored stores it again */
  run Sweeper();
  run Reconciler()
}

/* A removal under way: the lock is held, the bytes are gone, and the log is about to say so; a crash there leaves a tombstone without bytes, which the
 * next sweep carries out, and which undeleting notices by looking for the bytes. */
#define held (state != LIVE || bytes || locked)

#define GONE (state == DELETED || state == DAMAGED)

active proctype Watch() {
  byte i;
end:
  do
  :: atomic { !held -> assert(false) } /* live without bytes */
  :: atomic { needed && !locked && !(state == LIVE && bytes) -> assert(false) } /* a package that is not whole */
  :: atomic { acknowledged[0] && GONE && recordedBefore[0] == tombstones -> assert(false) } /* lost without a deletion */
  :: atomic { acknowledged[1] && GONE && recordedBefore[1] == tombstones -> assert(false) }
  od
}

init {
  atomic {
    run Ingest(0);
    run Retirer();
    run Sweeper();
    run Undeleter();
#ifdef CRASH
    run Reconciler();
    run Crash()
#else
    run Ingest(1);
    run Retirer();
    run Sweeper();
    run Publisher()
#endif
  }
}
