/*
 * Both digests against published values: the BLAKE3 project's vectors (all modes, all of the output), NIST CAVP (short,
 * long, Monte Carlo), and values of our own that b3sum and sha256sum gave.
 * May include: the public header, the test headers. Run by: ctest, from the root of the checkout.
 */
#include "digest_support.h"

static const struct {
  size_t size; /* of counted_bytes */
  const char *blake3, *sha256;
} built_in[] = {
    {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
     "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
    {63, "e9bc37a594daad83be9470df7f7b3798297c3d834ce80ba85d6e207627b7db7b",
     "29af2686fd53374a36b0846694cc342177e428d1647515f078784d69cdb9e488"},
    {64, "4eed7141ea4a5cd4b788606bd23f46e212af9cacebacdc7d1f4c6dc7f2511b98",
     "fdeab9acf3710362bd2658cdc9a29e8f9c757fcf9811603a8c447cd1d9151108"},
    {65, "de1e5fa0be70df6d2be8fffd0e99ceaa8eb6e8c93a63f2d8d1c30ecb6b263dee",
     "4bfd2c8b6f1eec7a2afeb48b934ee4b2694182027e6d0fc075074f2fabb31781"},
    {1023, "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
     "1c5e88a585b61754df6137d66632a7348557a88358afc401b0a0a4fc427104a9"},
    {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
     "2bce1ba628720664be4b9fdd77aae0678e5f0f3f02fc6ff641ec879094f6a404"},
    {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
     "bc0b6b10b89b9487a12fda2a8cc13194e7091c217aabf8b92846274026f4bcd0"},
    {2049, "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
     "26e1e2808e3a6cf967ca03f6749a063c5ed55f92f5874653a1faabed78346f00"},
    {16383, "7529418ecb789a30254899f229522ccde05234d2019c5ec5072bc4685a57658d",
     "e08c7d58e58b9318263144a618d6f2b6f6825974decd9e6f9371567354b6f566"},
    {16384, "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4",
     "4348e3b98e8a327b34ced39c1da9e67cdb4cd5e48e4d7960607a3ae403d35f0c"},
    {16385, "1dabe216be2578830263b049de1639f39f05a4da616b9b78c7a5e4e41662fd1f",
     "ba4f9b37402df1e3ad948a794ab43a9ed887d63e3a389c208ca4314fdd5add58"},
    {32768, "162183d1f9184474f5a5c9e6224e66720cdb6523f822e52d9b1efa30893f48f9",
     "09fed9cbfb98b6ab0f3e8ff63b7b1f9b0e07d58b225295c78fdc023cc4985a72"},
    {49153, "447d09cdb7cc2b870f041eda4d9b759195db784047b12666ec29e6905d38ac9c",
     "20c61a40632e315a836a16167d41e646abdd4b2392625515df571dcd43284c02"},
    {1048577, "2f053cd7472cf0cd2f9adaf45c1180255b91b9a865404a63671a0ee5f792ed33",
     "5769f52bc3eef28afa39c6fc68cadb7d0bd69812ae3a3d71452f519ec3c7aa56"},
    {5000000, "1ab09ef1af116159d8d394fc5a13c25842753b617048329dc8874051d1b9e171",
     "d9b380b7e7b4216832cfebb75dbef64d95d592bcad101548204a03d9e0ddce70"},
};

static const char built_in_modes[] =
    "\"hash\": \"d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444f4c4a22b4b399155358a"
    "994e52bf255de60035742ec71bd08ac275a1b51cc6bfe332b0ef84b409108cda080e6269ed4b3e2c3f7d722aa4cdc98d16de"
    "b554e5627be8f955c98e1d5f9565a9194cad0c4285f93700062d9595adb992ae68ff12800ab67a\""
    "\"keyed_hash\": \"357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69362396b77fdc0d2634a5"
    "52970843722066c3c15902ae5097e00ff53f1e116f1cd5352720113a837ab2452cafbde4d54085d9cf5d21ca613071551b25"
    "d52e69d6c81123872b6f19cd3bc1333edf0c52b94de23ba772cf82636cff4542540a7738d5b930\""
    "\"derive_key\": \"effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb5d31013a167509e90662"
    "73ab6e2123bc835b408b067d88f96addb550d96b6852dad38e320b9d940f86db74d398c770f462118b35d2724efa13da9719"
    "4491d96dd37c3c09cbef665953f2ee85ec83d88b88d11547a6f911c8217cca46defa2751e7f3ad\"";

static void test_built_in_values(void) {
  as_digests expected;
  for (size_t i = 0; i < sizeof built_in / sizeof built_in[0]; i++) {
    char what[64];
    uint8_t *bytes = counted_bytes(built_in[i].size);
    digest_from_hex(built_in[i].blake3, expected.blake3);
    digest_from_hex(built_in[i].sha256, expected.sha256);
    snprintf(what, sizeof what, "%zu counted bytes", built_in[i].size);
    check_digests(bytes, built_in[i].size, &expected, what);
    free(bytes);
  }
  digest_from_hex("6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85", expected.blake3);
  digest_from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", expected.sha256);
  check_digests((const uint8_t *)"abc", 3, &expected, "\"abc\"");
}

/* What stands behind the next occurrence of `key` after *at, which moves there; NULL when there is none. */
static const char *next_value(const char **at, const char *key) {
  const char *found = strstr(*at, key);
  if (found) {
    *at = found + strlen(key);
  }
  return found ? *at : NULL;
}

enum { OUTPUT_SIZE = 131 };

/* The vectors' output, whole, in two halves cut inside a block, and from every block's beginning. */
static void check_output(as_blake3 *hasher, const uint8_t *bytes, size_t size, const char *hex, const char *mode) {
  uint8_t expected[OUTPUT_SIZE], out[OUTPUT_SIZE];
  CHECK(hex && from_hex(hex, expected, sizeof expected) == OUTPUT_SIZE, "no %s for input_len %zu", mode, size);
  as_blake3_update(hasher, bytes, size / 3);
  as_blake3_update(hasher, bytes + size / 3, size - size / 3);
  as_blake3_finish(hasher, 0, out, sizeof out);
  CHECK_BYTES(out, expected, OUTPUT_SIZE, "%s of %zu bytes, %s", mode, size, as_kernel_name());
  memset(out, 0, sizeof out);
  as_blake3_finish(hasher, 0, out, 50);
  as_blake3_finish(hasher, 50, out + 50, OUTPUT_SIZE - 50);
  CHECK_BYTES(out, expected, OUTPUT_SIZE, "%s of %zu bytes in two, %s", mode, size, as_kernel_name());
  as_blake3_finish(hasher, 128, out, 3);
  CHECK_BYTES(out, expected + 128, 3, "%s of %zu bytes at 128, %s", mode, size, as_kernel_name());
}

static void check_all_modes(const char **at, const uint8_t *bytes, size_t size) {
  static const char key[] = "whats the Elvish word for friend";
  static const char context[] = "BLAKE3 2019-12-27 16:29:52 test vectors context";
  as_blake3 *hasher = malloc(sizeof *hasher);
  as_blake3_init(hasher);
  check_output(hasher, bytes, size, next_value(at, "\"hash\": \""), "hash");
  as_blake3_init_keyed(hasher, (const uint8_t *)key);
  check_output(hasher, bytes, size, next_value(at, "\"keyed_hash\": \""), "keyed_hash");
  as_blake3_init_derive_key(hasher, context, strlen(context));
  check_output(hasher, bytes, size, next_value(at, "\"derive_key\": \""), "derive_key");
  free(hasher);
}

/* The file is JSON with "input_len", "hash", "keyed_hash" and "derive_key" in each case, in this order. */
static void test_blake3_vectors(void) {
  char *text = read_vectors("blake3/test_vectors.json");
  const char *at = text, *value;
  int cases = 0;
  while (at && (value = next_value(&at, "\"input_len\": "))) {
    size_t size = strtoul(value, NULL, 10);
    uint8_t expected[AS_DIGEST_SIZE], hash[AS_DIGEST_SIZE];
    uint8_t *bytes = counted_bytes(size);
    as_span span = {bytes, size};
    as_digests digests;
    const char *peek = at;
    value = next_value(&peek, "\"hash\": \"");
    CHECK(value != NULL, "no hash for input_len %zu", size);
    digest_from_hex(value, expected);
    as_blake3_hash(bytes, size, hash);
    as_dual_many(&span, 1, &digests);
    CHECK_BYTES(hash, expected, AS_DIGEST_SIZE, "as_blake3_hash of %zu bytes, %s", size, as_kernel_name());
    CHECK_BYTES(digests.blake3, expected, AS_DIGEST_SIZE, "as_dual_many of %zu bytes, %s", size, as_kernel_name());
    check_all_modes(&at, bytes, size);
    free(bytes);
    cases++;
  }
  CHECK(!text || cases == 35, "found %d BLAKE3 vectors, not 35", cases);
  free(text);
}

/* The same three modes without the file: 1,025 counted bytes, so that there is a parent. The values are the BLAKE3
 * project's own for that length. */
static void test_built_in_modes(void) {
  const char *at = built_in_modes;
  uint8_t *bytes = counted_bytes(1025);
  check_all_modes(&at, bytes, 1025);
  free(bytes);
}

static void check_sha256(const uint8_t *message, size_t size, const uint8_t expected[AS_DIGEST_SIZE]) {
  as_sha256 hasher;
  uint8_t digest[AS_DIGEST_SIZE];
  as_sha256_init(&hasher);
  as_sha256_update(&hasher, message, size / 3);
  as_sha256_update(&hasher, message + size / 3, size - size / 3);
  as_sha256_finish(&hasher, digest);
  CHECK_BYTES(digest, expected, AS_DIGEST_SIZE, "as_sha256 of %zu bytes, %s", size, as_kernel_name());
}

/* NIST's response files: lines "Len = <bits>", "Msg = <hex>", "MD = <hex>" for each case. */
static void test_cavp_messages(const char *name, int cases_expected) {
  char *text = read_vectors(name);
  const char *at = text, *value;
  int cases = 0;
  while (at && (value = next_value(&at, "\nLen = "))) {
    char what[64];
    size_t size = strtoul(value, NULL, 10) / 8;
    uint8_t *message = malloc(size + 1);
    as_digests expected;
    CHECK(from_hex(next_value(&at, "Msg = "), message, size) == size, "message of %zu bytes is cut short", size);
    digest_from_hex(next_value(&at, "MD = "), expected.sha256);
    as_blake3_hash(message, size, expected.blake3);
    snprintf(what, sizeof what, "CAVP message of %zu bytes", size);
    check_digests(message, size, &expected, what);
    check_sha256(message, size, expected.sha256);
    free(message);
    cases++;
  }
  CHECK(!text || cases == cases_expected, "found %d cases in %s, not %d", cases, name, cases_expected);
  free(text);
}

/* SHAVS, section 6.4: a thousand digests, each of the three before it, and the last becomes the next seed. */
static void monte_carlo_round(uint8_t seed[AS_DIGEST_SIZE]) {
  uint8_t message[3 * AS_DIGEST_SIZE];
  as_span span = {message, sizeof message};
  as_digests digests;
  for (int i = 0; i < 3; i++) {
    memcpy(message + i * AS_DIGEST_SIZE, seed, AS_DIGEST_SIZE);
  }
  for (int i = 0; i < 1000; i++) {
    as_dual_many(&span, 1, &digests);
    memmove(message, message + AS_DIGEST_SIZE, 2 * AS_DIGEST_SIZE);
    memcpy(message + 2 * AS_DIGEST_SIZE, digests.sha256, AS_DIGEST_SIZE);
  }
  memcpy(seed, digests.sha256, AS_DIGEST_SIZE);
}

static void test_cavp_monte_carlo(void) {
  char *text = read_vectors("sha256/SHA256Monte.txt");
  const char *at = text, *value;
  uint8_t seed[AS_DIGEST_SIZE], expected[AS_DIGEST_SIZE];
  int rounds = 0;
  if (!text) {
    return;
  }
  digest_from_hex(next_value(&at, "Seed = "), seed);
  while ((value = next_value(&at, "\nMD = "))) {
    digest_from_hex(value, expected);
    monte_carlo_round(seed);
    CHECK_BYTES(seed, expected, AS_DIGEST_SIZE, "Monte Carlo round %d, %s", rounds, as_kernel_name());
    rounds++;
  }
  CHECK_INT(rounds, 100);
  free(text);
}

static void test_cavp(void) {
  test_cavp_messages("sha256/SHA256ShortMsg.rsp", 65);
  test_cavp_messages("sha256/SHA256LongMsg.rsp", 64);
  test_cavp_monte_carlo();
}

int main(void) {
  with_every_kernel(test_built_in_values);
  with_every_kernel(test_built_in_modes);
  with_every_kernel(test_blake3_vectors);
  with_every_kernel(test_cavp);
  return 0;
}
