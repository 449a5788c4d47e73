/*
 * BLAKE3 of thirty-two messages side by side in AVX-512, as two sets of sixteen.
 *
 * The four chains of one state leave a core idle wherever an addition of vectors takes more than a cycle, as on Zen 5.
 * Here the pieces of two states take turns. Both states fill all registers, so the messages are in memory.
 */
#if defined(__ELF__)
#define VEC %zmm
#define ROW 64
.macro GAP
.endm
#include "blake3_pieces.inc"
#include "function.inc"
#include "wide.inc"
#define LANES_AHEAD 32 * 1024 /* the chunks after these */
#include "wide_lanes.inc"

/* The frame: the messages of the two sets, rows of 64 bytes. */
  .set FIRST, 0
  .set SECOND, 1024
  .set FRAME, 2048

.macro GIVE_FIRST word, from
  vmovdqa64 %zmm\from, FIRST + 64 * (\word)(%rsp)
.endm

.macro GIVE_SECOND word, from
  vmovdqa64 %zmm\from, SECOND + 64 * (\word)(%rsp)
.endm

.macro LOAD_VALUE lanes, i, register
  vmovdqa64 WIDE_CV + 64 * \i(%\lanes), %zmm\register
.endm

.macro STORE_VALUE lanes, i, register
  vmovdqa64 %zmm\register, WIDE_CV + 64 * \i(%\lanes)
.endm

/* Of each set: the eight chaining values by `what lanes, i, register`, and their end. */
.macro EACH_VALUE what
  .altmacro
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  \what rdi, \i, \i
  \what r8, \i, %(16 + \i)
  .endr
  .noaltmacro
.endm

.macro END_VALUE low, high
  vpxord %zmm\high, %zmm\low, %zmm\low
.endm

.macro END_BOTH
  .altmacro
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  END_VALUE \i, %(8 + \i)
  END_VALUE %(16 + \i), %(24 + \i)
  .endr
  .noaltmacro
.endm

.macro BOTH_COMPRESS first, first_frame, second, second_frame
  .set piece, 0
  .rept 56
  BLAKE3_PIECE piece, 0, \first, \first_frame
  BLAKE3_PIECE piece, 16, \second, \second_frame
  .set piece, piece + 1
  .endr
.endm

/*
 * void as_blake3_pair_avx512(as_wide_lanes lanes[2], size_t steps, const as_wide_row *flags)
 *
 * rdi first set, r8 second, rsi bytes of input to take from each lane, rdx flags of this step, rax offset into the inputs
 * rcx, r9-r11 inputs
 * zmm0-15, zmm16-31 the states; zmm8-12 temporaries between steps
 * Clobbers: rax, rcx, rdx, rsi, r8-r11, zmm0-31, flags.
 */
FUNCTION as_blake3_pair_avx512
  ENTER_FRAME FRAME
  lea WIDE_SIZE(%rdi), %r8
  xor %eax, %eax
  shl $6, %rsi
  EACH_VALUE LOAD_VALUE
  .p2align 5
1:
  .irp quarter, 0, 1, 2, 3
  LOAD_QUARTER rdi, \quarter, GIVE_FIRST
  LOAD_QUARTER r8, \quarter, GIVE_SECOND
  .endr
  BEGIN_LANES rdi, 8, 9, 10, 11, 12, 13, 14, 15
  BEGIN_LANES r8, 24, 25, 26, 27, 28, 29, 30, 31
  BOTH_COMPRESS FIRST, rsp, SECOND, rsp
  END_BOTH
  add $64, %rdx
  add $64, %rax
  cmp %rsi, %rax
  jne 1b
  EACH_VALUE STORE_VALUE
  MOVE_ON rdi, rax
  MOVE_ON r8, rax
  vzeroupper
  LEAVE_FRAME
  ret
END_FUNCTION as_blake3_pair_avx512

.macro STORE_WORD i, from
  vmovdqa64 %zmm\from, 64 * \i(%rsi)
.endm

/* Word i of the state of a parent before the first round in register `to`; eax is 64. */
.macro BEGIN_WORD i, to
  .if \i < 12
  vpbroadcastd as_initial_value + \i % 8 * 4(%rip), %zmm\to
  .elseif \i < 14
  vpxord %zmm\to, %zmm\to, %zmm\to
  .elseif \i == 14
  vpbroadcastd %eax, %zmm\to
  .else
  vpbroadcastd %edx, %zmm\to
  .endif
.endm

/*
 * void as_blake3_pair_parents_avx512(as_wide_row first[16], as_wide_row second[16], uint32_t flags)
 *
 * The children are words in lanes already, so they are the message as they stand.
 *
 * rdi first, rsi second, edx flags   zmm0-15, zmm16-31 the states
 * Clobbers: eax, zmm0-31, flags.
 */
FUNCTION as_blake3_pair_parents_avx512
  mov $64, %eax
  .altmacro
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  BEGIN_WORD \i, \i
  BEGIN_WORD \i, %(16 + \i)
  .endr
  .noaltmacro
  BOTH_COMPRESS 0, rdi, 0, rsi
  END_BOTH
  .altmacro
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa64 %zmm\i, 64 * \i(%rdi)
  STORE_WORD \i, %(16 + \i)
  .endr
  .noaltmacro
  vzeroupper
  ret
END_FUNCTION as_blake3_pair_parents_avx512

  .section .note.GNU-stack, "", %progbits
#endif
