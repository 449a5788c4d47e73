/*
 * Both digests of whole inputs. Small ones go to the batch kernel together, large ones are streams, two at a time.
 * May include: native/digest headers, the C library. Called by: native/digest/kernels (as_dual_whole); as_dual_many by
 * anyone.
 */
#include <string.h>

#include "digest/blake3.h"
#include "digest/counters.h"
#include "digest/dual.h"
#include "digest/sha256.h"

/* Small inputs gathered from among large ones: a few rounds of sixteen lanes, 5 KiB of stack. */
enum { GATHERED = 64 };

/* The last group, which may be short or all there is, is hashed where it lies; the buffer stays unused. */
void as_dual_whole(const as_kernels *kernels, const uint8_t *bytes, size_t size, as_digests *out) {
  as_dual dual;
  as_dual_init(&dual, NULL, NULL);
  as_dual_feed feed = {.dual = &dual, .at = bytes, .size = size};
  as_dual_advance(kernels, &feed, 1);
  as_dual_conclude(kernels, &dual, feed.at, feed.size, out);
}

static int is_small(const as_span *input) {
  return input->size <= AS_SMALL_MAX;
}

static void digest_small(const as_span *inputs, size_t count, as_digests *out) {
  as_kernels_in_use()->dual_many(inputs, count, out);
  as_count(AS_PATH_BATCH, count);
}

/* The small inputs among `count`, side by side with each other although large ones lie between them. */
static void digest_gathered(const as_span *inputs, size_t count, as_digests *out) {
  as_span spans[GATHERED];
  as_digests digests[GATHERED];
  size_t place[GATHERED], held = 0;
  for (size_t i = 0; i < count; i++) {
    if (is_small(&inputs[i])) {
      spans[held] = inputs[i];
      place[held++] = i;
    }
    if (held == GATHERED || (held > 0 && i + 1 == count)) {
      digest_small(spans, held, digests);
      for (size_t k = 0; k < held; k++) {
        out[place[k]] = digests[k];
      }
      held = 0;
    }
  }
}

/* The index of the first large input from `next` on; `count` when there is none. */
static size_t find_large(const as_span *inputs, size_t count, size_t next) {
  while (next < count && is_small(&inputs[next])) {
    next++;
  }
  return next;
}

/* Two run at once as long as there are two: where one ends, the next takes its place. feeds[running…] are free, each
 * with a state of its own. */
static void digest_large(const as_span *inputs, size_t count, as_digests *out) {
  const as_kernels *kernels = as_kernels_in_use();
  as_dual states[2];
  as_dual_feed feeds[2] = {{.dual = &states[0]}, {.dual = &states[1]}};
  as_digests *outs[2];
  size_t running = 0, next = 0;
  for (;;) {
    for (; running < 2 && (next = find_large(inputs, count, next)) < count; next++, running++) {
      as_dual *dual = feeds[running].dual;
      as_dual_init(dual, NULL, NULL);
      feeds[running] = (as_dual_feed){.dual = dual, .at = inputs[next].bytes, .size = inputs[next].size};
      outs[running] = &out[next];
    }
    if (running == 0) {
      return;
    }
    as_dual_advance(kernels, feeds, running);
    for (size_t i = running; i-- > 0;) {
      if (!as_dual_ready(&feeds[i])) {
        as_dual_feed ended = feeds[i];
        as_dual_conclude(kernels, ended.dual, ended.at, ended.size, outs[i]);
        running--;
        feeds[i] = feeds[running];
        outs[i] = outs[running];
        feeds[running] = ended;
      }
    }
  }
}

void as_dual_many(const as_span *inputs, size_t count, as_digests *out) {
  size_t first_large = find_large(inputs, count, 0);
  if (first_large == count) {
    if (count > 0) {
      digest_small(inputs, count, out);
    }
    return;
  }
  digest_gathered(inputs, count, out);
  digest_large(inputs, count, out);
}
