/*
 * SHA-256 blocks with the ARMv8 instructions.
 * May include: the .inc files of this folder. Called through the kernel tables.
 *
 * void as_sha256_blocks_neon_sha2(uint32_t state[8], const uint8_t *blocks, size_t count)
 *   x0  state       x1  blocks       x2  blocks left
 *   v21-v28, x14: see sha256_rounds.inc. 117 instructions for a block of 64 bytes.
 *   Clobbers x1, x2, x14, v21-v28, flags.
 */
#if defined(__AARCH64EL__) && defined(__ELF__)
#include "function.inc"
#include "sha256_rounds.inc"

.arch_extension crypto

SHA256_CONSTANTS

FUNCTION as_sha256_blocks_neon_sha2
  cbz x2, 2f
  LOAD_SHA256_CONSTANTS
  ldp ABCD_Q, EFGH_Q, [x0]
1:
  SHA256_LOAD x1
  add x1, x1, #64
  .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  SHA256_FOUR_ROUNDS \n
  .endr
  SHA256_ADD_STATE x0
  subs x2, x2, #1
  b.ne 1b
2:
END_FUNCTION as_sha256_blocks_neon_sha2

BRANCH_PROTECTION_NOTE
#endif

#if defined(__ELF__)
.section .note.GNU-stack, "", %progbits
#endif
