/*
 * Group commit: whoever finds nobody committing commits everything that waits, its own and all others' in as few writes
 * as possible, while those who come meanwhile gather for the next turn. So the more wait, the more share a sync.
 * May include: packs.h. Called by: as declared there.
 */
#include "store/packs.h"

/* Takes the turn, or waits for it; the queue is locked before and after. */
static void take_turn(as_packs *packs) {
  while (packs->committing) {
    pthread_cond_wait(&packs->queue_changed, &packs->queue_mutex);
  }
  packs->committing = 1;
}

static void end_turn(as_packs *packs) {
  packs->committing = 0;
  pthread_cond_broadcast(&packs->queue_changed);
}

/* Commits all that waits. */
static void commit_waiting(as_store *store) {
  as_packs *packs = store->packs;
  as_pack_group *groups = packs->first;
  packs->first = NULL;
  packs->last = &packs->first;
  pthread_mutex_unlock(&packs->queue_mutex);
  as_pack_write(store, groups);
  pthread_mutex_lock(&packs->queue_mutex);
  while (groups) {
    as_pack_group *next = groups->next; /* once it is done its owner may be gone */
    groups->done = 1;
    groups = next;
  }
}

void as_packs_commit(as_store *store, as_pack_item *items, size_t count) {
  as_packs *packs = store->packs;
  as_pack_group group = {.items = items, .count = count};
  pthread_mutex_lock(&packs->queue_mutex);
  *packs->last = &group;
  packs->last = &group.next;
  while (!group.done) {
    if (packs->committing) {
      pthread_cond_wait(&packs->queue_changed, &packs->queue_mutex);
    } else {
      take_turn(packs);
      commit_waiting(store); /* this group among them: it has been waiting */
      end_turn(packs);
    }
  }
  pthread_mutex_unlock(&packs->queue_mutex);
  for (size_t i = 0; i < count; i++) {
    if (items[i].status) { /* the thread that wrote knows the detail; this one must be able to say something */
      as_store_fail(store, items[i].status, "commit", "packs");
    }
  }
}

static int settle(as_store *store, void *context) {
  (void)context;
  return as_pack_settle(store);
}

int as_packs_sync(as_store *store) { return as_packs_exclusively(store, settle, NULL); }

int as_packs_exclusively(as_store *store, int (*work)(as_store *store, void *context), void *context) {
  as_packs *packs = store->packs;
  pthread_mutex_lock(&packs->queue_mutex);
  take_turn(packs);
  pthread_mutex_unlock(&packs->queue_mutex);
  int result = work(store, context);
  pthread_mutex_lock(&packs->queue_mutex);
  end_turn(packs);
  pthread_mutex_unlock(&packs->queue_mutex);
  return result;
}
