/*
 * SHA-256 blocks with the SHA extensions: one message, and two messages side by side.
 *
 * One message is bound by the latency of sha256rnds2 (4 cycles on Zen 3 and on Ice Lake, 32 in a row per
 * block: 128 cycles at least). Two chains
 * hide it from each other: the unit itself takes a new one every cycle.
 */
#if defined(__ELF__)
#include "function.inc"
#include "sha256_shani.inc"

/*
 * void as_sha256_blocks_shani(uint32_t state[8], const uint8_t *blocks, size_t count)
 *
 * rdi state, rsi next block, rdx blocks left
 * xmm2, xmm3 state   xmm4-7 ring
 * Clobbers: rsi, rdx, xmm0-7, flags.
 */
FUNCTION as_sha256_blocks_shani
  test %rdx, %rdx
  jz 2f
  ENTER_FRAME 32
  SHA_LOAD_STATE %rdi, 2, 3
  .p2align 5
1:
  SHA_BEGIN_BLOCK %rsi, 0, 2, 3, 4, 5, 6, 7
  .irp quad, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  SHA_QUAD \quad, 2, 3, 4, 5, 6, 7
  .endr
  SHA_END_BLOCK 0, 2, 3
  dec %rdx
  jnz 1b
  SHA_STORE_STATE %rdi, 2, 3
  LEAVE_FRAME
2:
  ret
END_FUNCTION as_sha256_blocks_shani

/*
 * void as_sha256_pair_shani(as_sha256_pair *pair, size_t count)
 *
 * `count` blocks of each message; pair->at moves on.
 *
 * rdi pair, rsi blocks left, rax and rdx next block of each, rcx a state
 * xmm2, xmm3 state of the first   xmm4-7 its ring
 * xmm8, xmm9 state of the second  xmm10-13 its ring
 * Clobbers: rax, rcx, rdx, rsi, xmm0-13, flags.
 */
FUNCTION as_sha256_pair_shani
  test %rsi, %rsi
  jz 2f
  ENTER_FRAME 64
  mov (%rdi), %rcx
  SHA_LOAD_STATE %rcx, 2, 3
  mov 8(%rdi), %rcx
  SHA_LOAD_STATE %rcx, 8, 9
  mov 16(%rdi), %rax
  mov 24(%rdi), %rdx
  .p2align 5
1:
  SHA_BEGIN_BLOCK %rax, 0, 2, 3, 4, 5, 6, 7
  SHA_BEGIN_BLOCK %rdx, 32, 8, 9, 10, 11, 12, 13
  .irp quad, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  SHA_QUAD \quad, 2, 3, 4, 5, 6, 7
  SHA_QUAD \quad, 8, 9, 10, 11, 12, 13
  .endr
  SHA_END_BLOCK 0, 2, 3
  SHA_END_BLOCK 32, 8, 9
  dec %rsi
  jnz 1b
  mov %rax, 16(%rdi)
  mov %rdx, 24(%rdi)
  mov (%rdi), %rcx
  SHA_STORE_STATE %rcx, 2, 3
  mov 8(%rdi), %rcx
  SHA_STORE_STATE %rcx, 8, 9
  LEAVE_FRAME
2:
  ret
END_FUNCTION as_sha256_pair_shani

  .section .note.GNU-stack, "", %progbits
#endif
