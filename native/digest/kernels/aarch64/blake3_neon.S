/*
 * BLAKE3 for AArch64: four messages of whole blocks side by side in NEON, and one compression by itself.
 * May include: the .inc files of this folder. Called by: blake3.c of this folder and the kernel tables.
 *
 * One compression runs in the general registers. However it is computed it is a chain of some 200 dependent steps, and
 * an integer step takes one cycle where a vector step takes two or more. 826 instructions; all state and message words
 * stay in registers, where the compiler's version spills. For that, two message words share a register, and the upper
 * is added with a shift, which is off the chain: `a + m` does not wait for the step before.
 *
 * void as_blake3_quad_neon(const as_quad *quad, const uint32_t key[8], uint8_t cvs[128])
 *   Registers: see blake3_lanes.inc. 1,088 instructions for 256 bytes of message.
 *   Clobbers x1-x7, x9-x13, v0-v7, v16-v20, flags; 320 bytes of stack.
 *
 * void as_blake3_compress_neon(cv x0, block x1, block_size w2, counter x3, flags w4, out x5)
 * void as_blake3_compress_xof_neon(the same)
 *   w6-w17, w19-w22  the state, state0-state15; wide0-wide3 are the first four in full width
 *   x1-x4, x23-x26   the message, two words in each: word0 and word1, word2 and word3, …
 *   Clobbers x1-x4, x6-x17; 64 bytes of stack. x18 is the platform's.
 */
#if defined(__AARCH64EL__) && defined(__ELF__)
#include "function.inc"
#include "blake3_lanes.inc"

BLAKE3_CONSTANTS

FUNCTION as_blake3_quad_neon
  mov x3, x2
  mov x2, x1
  mov x1, x0
  ENTER_VECTOR_FRAME
  BEGIN_QUAD
1:
  QUAD_BLOCK NO_SLOT, 1b
  END_QUAD
  LEAVE_VECTOR_FRAME
END_FUNCTION as_blake3_quad_neon

state0 .req w6
state1 .req w7
state2 .req w8
state3 .req w9
state4 .req w10
state5 .req w11
state6 .req w12
state7 .req w13
state8 .req w14
state9 .req w15
state10 .req w16
state11 .req w17
state12 .req w19
state13 .req w20
state14 .req w21
state15 .req w22
wide0 .req x6
wide1 .req x7
wide2 .req x8
wide3 .req x9

word0 .req w1
word1 .req x1
word2 .req w2
word3 .req x2
word4 .req w3
word5 .req x3
word6 .req w4
word7 .req x4
word8 .req w23
word9 .req x23
word10 .req w24
word11 .req x24
word12 .req w25
word13 .req x25
word14 .req w26
word15 .req x26

// The odd word comes with a shift of the whole register. What that leaves in the upper half of `a` is of no account:
// every other instruction reads and writes the lower.
.macro ADD_WORD a, i
  .if \i % 2
  add wide\a, wide\a, word\i, lsr #32
  .else
  add state\a, state\a, word\i
  .endif
.endm

.macro ADD_WORDS i0, i1, i2, i3
  ADD_WORD 0, \i0
  ADD_WORD 1, \i1
  ADD_WORD 2, \i2
  ADD_WORD 3, \i3
.endm

// to += from, then other = (other ^ to) rotated right, in four columns or diagonals by turns.
.macro ADD_XOR_ROTATE right, t0, t1, t2, t3, f0, f1, f2, f3, o0, o1, o2, o3
  add state\t0, state\t0, state\f0
  add state\t1, state\t1, state\f1
  add state\t2, state\t2, state\f2
  add state\t3, state\t3, state\f3
  eor state\o0, state\o0, state\t0
  eor state\o1, state\o1, state\t1
  eor state\o2, state\o2, state\t2
  eor state\o3, state\o3, state\t3
  ror state\o0, state\o0, #\right
  ror state\o1, state\o1, #\right
  ror state\o2, state\o2, #\right
  ror state\o3, state\o3, #\right
.endm

// MIX_FOUR of blake3_lanes.inc for one message instead of four.
.macro MIX_FOUR_WORDS b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3, x0, y0, x1, y1, x2, y2, x3, y3
  ADD_WORDS \x0, \x1, \x2, \x3
  ADD_XOR_ROTATE 16, 0, 1, 2, 3, \b0, \b1, \b2, \b3, \d0, \d1, \d2, \d3
  ADD_XOR_ROTATE 12, \c0, \c1, \c2, \c3, \d0, \d1, \d2, \d3, \b0, \b1, \b2, \b3
  ADD_WORDS \y0, \y1, \y2, \y3
  ADD_XOR_ROTATE 8, 0, 1, 2, 3, \b0, \b1, \b2, \b3, \d0, \d1, \d2, \d3
  ADD_XOR_ROTATE 7, \c0, \c1, \c2, \c3, \d0, \d1, \d2, \d3, \b0, \b1, \b2, \b3
.endm

.macro ROUND_OF_WORDS slot, m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m11, m12, m13, m14, m15
  MIX_FOUR_WORDS 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, \m0, \m1, \m2, \m3, \m4, \m5, \m6, \m7
  MIX_FOUR_WORDS 5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14, \m8, \m9, \m10, \m11, \m12, \m13, \m14, \m15
.endm

.macro SET_WORD register, high, low
  movz \register, #\low
  movk \register, #\high, lsl #16
.endm

// From the arguments to the permuted state. The inputs' own registers become message words, `block` last.
.macro PERMUTE
  stp x19, x20, [sp, #-64]!
  .cfi_def_cfa_offset 64
  .cfi_offset 19, -64
  .cfi_offset 20, -56
  stp x21, x22, [sp, #16]
  .cfi_offset 21, -48
  .cfi_offset 22, -40
  stp x23, x24, [sp, #32]
  .cfi_offset 23, -32
  .cfi_offset 24, -24
  stp x25, x26, [sp, #48]
  .cfi_offset 25, -16
  .cfi_offset 26, -8
  mov state12, w3
  lsr x20, x3, #32 // state13
  mov state14, w2
  mov state15, w4
  ldp x23, x24, [x1, #32]
  ldp x25, x26, [x1, #48]
  ldp x3, x4, [x1, #16]
  ldp x1, x2, [x1]
  ldp state0, state1, [x0]
  ldp state2, state3, [x0, #8]
  ldp state4, state5, [x0, #16]
  ldp state6, state7, [x0, #24]
  SET_WORD state8, 0x6a09, 0xe667
  SET_WORD state9, 0xbb67, 0xae85
  SET_WORD state10, 0x3c6e, 0xf372
  SET_WORD state11, 0xa54f, 0xf53a
  EVERY_ROUND ROUND_OF_WORDS, NO_SLOT
.endm

// Two words of the chaining value, which comes of the two halves of the state.
.macro STORE_LOWER_WORDS i0, i1, j0, j1
  eor state\i0, state\i0, state\j0
  eor state\i1, state\i1, state\j1
  stp state\i0, state\i1, [x5, #4 * \i0]
.endm

.macro STORE_LOWER
  STORE_LOWER_WORDS 0, 1, 8, 9
  STORE_LOWER_WORDS 2, 3, 10, 11
  STORE_LOWER_WORDS 4, 5, 12, 13
  STORE_LOWER_WORDS 6, 7, 14, 15
.endm

// Two words of the other half of extended output, which comes of the upper state and the input's chaining value.
.macro STORE_UPPER_WORDS i0, i1, j0, j1
  ldp w1, w2, [x0, #4 * \i0]
  eor state\j0, state\j0, w1
  eor state\j1, state\j1, w2
  stp state\j0, state\j1, [x5, #4 * \j0]
.endm

.macro RESTORE_WORDS
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x19, x20, [sp], #64
  .irp register, 19, 20, 21, 22, 23, 24, 25, 26
  .cfi_restore \register
  .endr
  .cfi_def_cfa_offset 0
.endm

FUNCTION as_blake3_compress_neon
  PERMUTE
  STORE_LOWER
  RESTORE_WORDS
END_FUNCTION as_blake3_compress_neon

FUNCTION as_blake3_compress_xof_neon
  PERMUTE
  STORE_LOWER
  STORE_UPPER_WORDS 0, 1, 8, 9
  STORE_UPPER_WORDS 2, 3, 10, 11
  STORE_UPPER_WORDS 4, 5, 12, 13
  STORE_UPPER_WORDS 6, 7, 14, 15
  RESTORE_WORDS
END_FUNCTION as_blake3_compress_xof_neon

BRANCH_PROTECTION_NOTE
#endif

#if defined(__ELF__)
.section .note.GNU-stack, "", %progbits
#endif
