/*
 * The table of the segment being written, against a plain array: random puts and replacements, addresses that begin or
 * end alike, growth, sorting, and what cannot be had.
 * May include: pack_fixture.h, store/pack_table.h. Run by: CTest.
 */
#include "store/pack_table.h"

#include "pack_fixture.h"

enum { ADDRESSES = 5000 };

static as_entry expected[ADDRESSES]; /* kind 0: not put yet */
static uint64_t seed = 1;

/* Of every four addresses one is random, one differs from others only in its last bytes, one only in its first, and one
 * has the last eight bytes, by which the table hashes, of a few others. */
static void make_addresses(void) {
  for (uint32_t i = 0; i < ADDRESSES; i++) {
    uint8_t *address = expected[i].blake3;
    memset(address, i % 4 == 1 ? 0 : 0xff, AS_DIGEST_SIZE);
    if (i % 4 == 0) {
      random_digest(&seed, address);
    } else if (i % 4 == 1) {
      as_put32(address + AS_DIGEST_SIZE - 4, i);
    } else if (i % 4 == 2) {
      as_put32(address, i);
    } else {
      random_digest(&seed, address);
      as_put64(address + AS_DIGEST_SIZE - 8, i % 100);
    }
  }
}

static int same_entry(const as_entry *a, const as_entry *b) {
  return memcmp(a->blake3, b->blake3, AS_DIGEST_SIZE) == 0 && a->kind == b->kind && a->at.segment == b->at.segment &&
         a->at.offset == b->at.offset && a->at.size == b->at.size;
}

static void check_all(const as_table *table, size_t count) {
  CHECK_INT(table->count, count);
  for (int i = 0; i < ADDRESSES; i++) {
    const as_entry *entry = as_table_get(table, expected[i].blake3);
    CHECK(!entry == (expected[i].kind == 0), "address %d of %zu", i, count);
    CHECK(!entry || same_entry(entry, &expected[i]), "address %d: another entry", i);
  }
}

static void check_sorted(const as_table *table) {
  as_entry *sorted = as_table_sorted(table);
  CHECK(sorted, "no memory");
  for (size_t i = 0; i < table->count; i++) {
    CHECK(i == 0 || memcmp(sorted[i - 1].blake3, sorted[i].blake3, AS_DIGEST_SIZE) < 0, "not ascending at %zu", i);
    CHECK(same_entry(&sorted[i], as_table_get(table, sorted[i].blake3)), "entry %zu", i);
  }
  as_table_sorted_free(table, sorted);
}

static void test_against_array(void) {
  as_table table;
  as_table_init(&table);
  check_all(&table, 0);
  check_sorted(&table);
  size_t count = 0, reserved = 0;
  for (int step = 0; step < 4 * ADDRESSES; step++) {
    if (reserved == 0) {
      reserved = 1 + below(&seed, 300);
      CHECK_INT(as_table_reserve(&table, reserved), 0);
    }
    as_entry *entry = &expected[below(&seed, ADDRESSES)];
    count += entry->kind == 0;
    entry->kind = (as_record_kind)(1 + below(&seed, 4));
    entry->at = (as_location){next_random(&seed), next_random(&seed), (uint32_t)next_random(&seed)};
    as_table_put(&table, entry);
    reserved--;
    if (step % 997 == 0) {
      check_all(&table, count);
    }
  }
  CHECK(count > ADDRESSES / 2, "only %zu addresses were put", count);
  check_all(&table, count);
  check_sorted(&table);
  as_table_free(&table);
  CHECK(table.capacity == 0 && as_table_get(&table, expected[0].blake3) == NULL, "not empty after being freed");
}

/* All entries are met once, and found, after each put while a table grows, of which some replace what has not been moved. */
static void test_growing(void) {
  as_table table;
  as_table_init(&table);
  memset(expected, 0, sizeof expected);
  make_addresses();
  size_t grown = 0;
  for (size_t i = 0; i < ADDRESSES; i++) {
    CHECK_INT(as_table_reserve(&table, 1), 0);
    grown += table.before != NULL;
    size_t index = i % 3 == 2 ? below(&seed, i) : i;
    expected[index].kind = (as_record_kind)(1 + below(&seed, 4));
    expected[index].at.offset = i;
    as_table_put(&table, &expected[index]);
    if (table.before && i % 384 == 0) {
      size_t position = 0, met = 0;
      for (const as_entry *entry = as_table_next(&table, &position); entry; entry = as_table_next(&table, &position), met++) {
        CHECK(entry == as_table_get(&table, entry->blake3), "an entry that is not the one that counts");
      }
      CHECK_INT(met, table.count);
      check_all(&table, table.count);
      check_sorted(&table);
    }
  }
  CHECK(grown > 500, "%zu puts while growing", grown);
  CHECK_INT(as_table_reserve(&table, 4 * ADDRESSES), 0); /* more than a doubling */
  CHECK_INT(as_table_reserve(&table, 16 * ADDRESSES), 0); /* and again, while it grows */
  check_all(&table, table.count);
  as_table_free(&table);
}

/* As many puts as were reserved leave the memory where it is. */
static void test_reserve(void) {
  static const size_t reservations[] = {0, 1, 47, 48, 49, 63, 64, 65, 128, 1000};
  for (size_t k = 0; k < sizeof reservations / sizeof reservations[0]; k++) {
    size_t more = reservations[k];
    as_table table;
    as_table_init(&table);
    CHECK_INT(as_table_reserve(&table, more), 0);
    const as_entry *slots = table.slots;
    for (size_t i = 0; i < more; i++) {
      as_entry entry = {.kind = AS_RECORD_DELETED};
      random_digest(&seed, entry.blake3);
      as_table_put(&table, &entry);
    }
    CHECK(table.slots == slots && table.count == more && (more == 0 || table.capacity > more), "%zu", more);
    CHECK_INT(as_table_reserve(&table, SIZE_MAX), -ENOMEM);
    CHECK_INT(as_table_reserve(&table, SIZE_MAX / 2), -ENOMEM);
    CHECK(table.slots == slots && table.count == more, "a failed reservation changed the table");
    as_table_free(&table);
  }
}

int main(void) {
  make_addresses();
  test_against_array();
  test_growing();
  test_reserve();
  return 0;
}
