/*
 * CRC-32C: the checksum of every structure in packs and indexes, against bits that rot and writes that tear. Objects
 * themselves are proven by their digests.
 * May include: the C library. Called by: native/store.
 */
#ifndef AS_CORE_CRC32C_H
#define AS_CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The CRC-32C (Castagnoli; RFC 3720, section 12.1 and appendix B.4) of bytes in parts: `seed` is 0 for the first part
 * and the result so far for each further one. Runs on the CPU's own instruction where there is one. */
uint32_t as_crc32c(uint32_t seed, const void *bytes, size_t size);

/* The same without special instructions: for CPUs that have none, and for the test that compares the two. */
uint32_t as_crc32c_portable(uint32_t seed, const void *bytes, size_t size);

#endif
