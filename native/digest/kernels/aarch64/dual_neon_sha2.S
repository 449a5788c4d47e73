/*
 * BLAKE3 and SHA-256 of the same bytes in one instruction stream: 256 bytes are one block of four BLAKE3 messages and
 * four SHA-256 blocks.
 * May include: the .inc files of this folder. Called by: dual.c and many.c of this folder.
 *
 * Why interleaved: SHA-256 is a chain of 64 pairs of instructions for these bytes, 256 to 320 cycles through which the
 * vector pipes would all but idle, while BLAKE3 is some 940 vector instructions, most of them independent of their
 * neighbours. Four rounds of SHA-256 stand in each of BLAKE3's 64 slots, which come after every 12 to 24 instructions.
 * Finer is not needed: an out-of-order window of 100 instructions and more spans several slots, so a pair of sha256h
 * starts when its inputs are ready and BLAKE3 fills the time.
 *
 * What to expect, counted and not measured: 1,548 instructions for 256 bytes, 1,310 of them in the vector pipes. With
 * two pipes that is at least 655 cycles and SHA-256's chain hides in it whole; with four it is 328 and the two are
 * about even.
 *
 * Why no kernel with two SHA-256 chains: one is already no longer than BLAKE3's work, and beside BLAKE3's 21 registers
 * there is room for one.
 *
 * Registers: BLAKE3's see blake3_lanes.inc (x4-x7, x9, v0-v20), SHA-256's see sha256_rounds.inc (x14, v21-v28), and
 *   x8   the next SHA-256 block
 *   Both clobber x1-x14, v0-v7, v16-v28, flags, and use 320 bytes of stack.
 *
 * void as_dual_quad_neon_sha2(uint32_t sha256_state[8] x0, const as_quad *quad x1, const uint32_t key[8] x2,
 *                             uint8_t cvs[128] x3)
 *   x10-x13: see BEGIN_QUAD.
 *
 * void as_dual_lanes_neon_sha2(as_lanes *lanes x0)
 */
#if defined(__AARCH64EL__) && defined(__ELF__)
#include "function.inc"
#include "blake3_lanes.inc"
#include "sha256_rounds.inc"

.arch_extension crypto

#define LANES_SHA256_BLOCKS 32
#define LANES_CVS 64
#define LANES_COUNTERS 192
#define LANES_BLOCK_SIZES 224
#define LANES_SHA256_STATES 256

BLAKE3_CONSTANTS
SHA256_CONSTANTS

// Four rounds of the one SHA-256 stream. `number` counts the 64 slots of a BLAKE3 block.
.macro STREAM_SLOT
  .if number % 16 == 0
  SHA256_LOAD x8
  add x8, x8, #64
  .endif
  SHA256_FOUR_ROUNDS number%16
  .if number % 16 == 15
  SHA256_ADD_STATE x0
  .endif
  .set number, number + 1
.endm

// The same where each lane has a SHA-256 stream of its own: sixteen slots for each.
.macro LANES_SLOT
  .if number % 16 == 0
  ldr x8, [x0, #LANES_SHA256_BLOCKS + number / 16 * 8]
  ldp ABCD_Q, EFGH_Q, [x0, #LANES_SHA256_STATES + number / 16 * 32]
  SHA256_LOAD x8
  .endif
  SHA256_FOUR_ROUNDS number%16
  .if number % 16 == 15
  SHA256_ADD_STATE x0, #LANES_SHA256_STATES + number / 16 * 32
  .endif
  .set number, number + 1
.endm

FUNCTION as_dual_quad_neon_sha2
  ENTER_VECTOR_FRAME
  BEGIN_QUAD
  LOAD_SHA256_CONSTANTS
  ldp ABCD_Q, EFGH_Q, [x0]
  mov x8, x4
1:
  .set number, 0
  QUAD_BLOCK STREAM_SLOT, 1b
  END_QUAD
  LEAVE_VECTOR_FRAME
END_FUNCTION as_dual_quad_neon_sha2

FUNCTION as_dual_lanes_neon_sha2
  ENTER_VECTOR_FRAME
  LOAD_BLAKE3_CONSTANTS
  LOAD_SHA256_CONSTANTS
  ldp x4, x5, [x0]
  ldp x6, x7, [x0, #16]
  ldp q0, q1, [x0, #LANES_CVS]
  ldp q2, q3, [x0, #LANES_CVS + 32]
  ldp q4, q5, [x0, #LANES_CVS + 64]
  ldp q6, q7, [x0, #LANES_CVS + 96]
  .set number, 0
  SLICE_MESSAGE LANES_SLOT
  INITIAL_STATE x0, #LANES_COUNTERS
  ldp q14, q15, [x0, #LANES_BLOCK_SIZES] // and the flags behind them
  EVERY_ROUND ROUND, LANES_SLOT
  FOLD
  stp q0, q1, [x0, #LANES_CVS]
  stp q2, q3, [x0, #LANES_CVS + 32]
  stp q4, q5, [x0, #LANES_CVS + 64]
  stp q6, q7, [x0, #LANES_CVS + 96]
  LEAVE_VECTOR_FRAME
END_FUNCTION as_dual_lanes_neon_sha2

BRANCH_PROTECTION_NOTE
#endif

#if defined(__ELF__)
.section .note.GNU-stack, "", %progbits
#endif
