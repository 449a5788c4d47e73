/*
 * BLAKE3 over eight messages side by side in AVX2, block after block.
 */
#if defined(__ELF__)
#include "function.inc"
#include "lanes.inc"

  .set WORD8, 512 /* the frame: sixteen message words of 32 bytes, then state word 8 while its register is lent */

.macro LANE_ADD s, d
  vpaddd %ymm\s, %ymm\d, %ymm\d
.endm

.macro LANE_XOR s, d
  vpxor %ymm\s, %ymm\d, %ymm\d
.endm

.macro ADD_MESSAGE m, d
  vpaddd 32 * \m(%rsp), %ymm\d, %ymm\d
.endm

.macro ADD_C d, c
  .if \c == 8
  vpaddd WORD8(%rsp), %ymm\d, %ymm8
  .else
  vpaddd %ymm\d, %ymm\c, %ymm\c
  .endif
.endm

.macro FREE_TEMPORARY
  vmovdqa %ymm8, WORD8(%rsp)
.endm

/* AVX2 has no rotation. Whole bytes move in one shuffle. */
.macro ROTATE right, r
  .if \right == 16
  vpshufb as_x86_rotate16(%rip), %ymm\r, %ymm\r
  .elseif \right == 8
  vpshufb as_x86_rotate8(%rip), %ymm\r, %ymm\r
  .else
  vpsrld $\right, %ymm\r, %ymm8
  vpslld $32 - \right, %ymm\r, %ymm\r
  vpor %ymm8, %ymm\r, %ymm\r
  .endif
.endm

#include "blake3_rounds.inc"

/* Message words 4 quarter to 4 quarter + 3 of all lanes into the frame. Lanes j and j + 4 share a register, so that
 * 128-bit loads do the work of half the shuffles. */
.macro TRANSPOSE_QUARTER quarter
  vmovdqu 16 * \quarter(%r8, %rax), %xmm8
  vmovdqu 16 * \quarter(%r9, %rax), %xmm9
  vmovdqu 16 * \quarter(%r10, %rax), %xmm10
  vmovdqu 16 * \quarter(%r11, %rax), %xmm11
  vinserti128 $1, 16 * \quarter(%r12, %rax), %ymm8, %ymm8
  vinserti128 $1, 16 * \quarter(%r13, %rax), %ymm9, %ymm9
  vinserti128 $1, 16 * \quarter(%r14, %rax), %ymm10, %ymm10
  vinserti128 $1, 16 * \quarter(%r15, %rax), %ymm11, %ymm11
  vpunpckldq %ymm9, %ymm8, %ymm12
  vpunpckhdq %ymm9, %ymm8, %ymm13
  vpunpckldq %ymm11, %ymm10, %ymm14
  vpunpckhdq %ymm11, %ymm10, %ymm15
  vpunpcklqdq %ymm14, %ymm12, %ymm8
  vpunpckhqdq %ymm14, %ymm12, %ymm9
  vpunpcklqdq %ymm15, %ymm13, %ymm10
  vpunpckhqdq %ymm15, %ymm13, %ymm11
  vmovdqa %ymm8, 32 * (4 * \quarter)(%rsp)
  vmovdqa %ymm9, 32 * (4 * \quarter + 1)(%rsp)
  vmovdqa %ymm10, 32 * (4 * \quarter + 2)(%rsp)
  vmovdqa %ymm11, 32 * (4 * \quarter + 3)(%rsp)
.endm

/*
 * void as_blake3_steps_avx2(as_blake3_lanes *lanes, size_t steps, const uint32_t (*flags)[8])
 *
 * Every lane absorbs `steps` blocks, at least one, with the flags of each step; lanes->at moves on.
 *
 * rdi lanes, rsi bytes of input to take from each lane, rdx flags of this step, rax offset into the inputs
 * r8-r15 the inputs
 * ymm0-15 state words; ymm8 is also the temporary of rotations
 * Clobbers: rax, rdx, rsi, r8-r11, ymm0-15, flags.
 */
FUNCTION as_blake3_steps_avx2
  ENTER_FRAME 576, all=1
  mov LANES_AT(%rdi), %r8
  mov LANES_AT + 8(%rdi), %r9
  mov LANES_AT + 16(%rdi), %r10
  mov LANES_AT + 24(%rdi), %r11
  mov LANES_AT + 32(%rdi), %r12
  mov LANES_AT + 40(%rdi), %r13
  mov LANES_AT + 48(%rdi), %r14
  mov LANES_AT + 56(%rdi), %r15
  xor %eax, %eax
  shl $6, %rsi
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa LANES_STATE + 32 * \i(%rdi), %ymm\i
  .endr
  .p2align 5
1:
  .irp quarter, 0, 1, 2, 3
  TRANSPOSE_QUARTER \quarter
  .endr
  vmovdqa as_x86_iv_lanes(%rip), %ymm8
  vmovdqa %ymm8, WORD8(%rsp)
  vmovdqa as_x86_iv_lanes + 32(%rip), %ymm9
  vmovdqa as_x86_iv_lanes + 64(%rip), %ymm10
  vmovdqa as_x86_iv_lanes + 96(%rip), %ymm11
  vmovdqa LANES_COUNTER_LOW(%rdi), %ymm12
  vmovdqa LANES_COUNTER_HIGH(%rdi), %ymm13
  vmovdqa LANES_BLOCK_SIZE(%rdi), %ymm14
  vmovdqu (%rdx), %ymm15
  SEVEN_ROUNDS
  vpxor WORD8(%rsp), %ymm0, %ymm0
  vpxor %ymm9, %ymm1, %ymm1
  vpxor %ymm10, %ymm2, %ymm2
  vpxor %ymm11, %ymm3, %ymm3
  vpxor %ymm12, %ymm4, %ymm4
  vpxor %ymm13, %ymm5, %ymm5
  vpxor %ymm14, %ymm6, %ymm6
  vpxor %ymm15, %ymm7, %ymm7
  add $32, %rdx
  add $64, %rax
  cmp %rsi, %rax
  jne 1b
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa %ymm\i, LANES_STATE + 32 * \i(%rdi)
  add %rax, LANES_AT + 8 * \i(%rdi)
  .endr
  vzeroupper
  LEAVE_FRAME all=1
  ret
END_FUNCTION as_blake3_steps_avx2

  .section .note.GNU-stack, "", %progbits
#endif
