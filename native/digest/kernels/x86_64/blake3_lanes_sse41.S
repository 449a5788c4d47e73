/*
 * BLAKE3 over eight messages in SSE4.1: lanes 0 to 3 through all blocks, then lanes 4 to 7, unless these are idle.
 */
#if defined(__ELF__)
#include "function.inc"
#include "lanes.inc"

  .set WORD8, 256 /* the frame: sixteen message words of 16 bytes, then state word 8 while its register is lent */

.macro LANE_ADD s, d
  paddd %xmm\s, %xmm\d
.endm

.macro LANE_XOR s, d
  pxor %xmm\s, %xmm\d
.endm

.macro ADD_MESSAGE m, d
  paddd 16 * \m(%rsp), %xmm\d
.endm

.macro ADD_C d, c
  .if \c == 8
  movdqa WORD8(%rsp), %xmm8
  .endif
  paddd %xmm\d, %xmm\c
.endm

.macro FREE_TEMPORARY
  movdqa %xmm8, WORD8(%rsp)
.endm

.macro ROTATE right, r
  .if \right == 16
  pshufb as_x86_rotate16(%rip), %xmm\r
  .elseif \right == 8
  pshufb as_x86_rotate8(%rip), %xmm\r
  .else
  movdqa %xmm\r, %xmm8
  psrld $\right, %xmm\r
  pslld $32 - \right, %xmm8
  por %xmm8, %xmm\r
  .endif
.endm

#include "blake3_rounds.inc"

/* Message words 4 quarter to 4 quarter + 3 of four lanes into the frame. */
.macro TRANSPOSE_QUARTER quarter
  movdqu 16 * \quarter(%r8, %rax), %xmm8
  movdqu 16 * \quarter(%r9, %rax), %xmm9
  movdqu 16 * \quarter(%r10, %rax), %xmm10
  movdqu 16 * \quarter(%r11, %rax), %xmm11
  movdqa %xmm8, %xmm12
  punpckldq %xmm9, %xmm8
  punpckhdq %xmm9, %xmm12
  movdqa %xmm10, %xmm13
  punpckldq %xmm11, %xmm10
  punpckhdq %xmm11, %xmm13
  movdqa %xmm8, %xmm9
  punpcklqdq %xmm10, %xmm8
  punpckhqdq %xmm10, %xmm9
  movdqa %xmm12, %xmm11
  punpcklqdq %xmm13, %xmm12
  punpckhqdq %xmm13, %xmm11
  movdqa %xmm8, 16 * (4 * \quarter)(%rsp)
  movdqa %xmm9, 16 * (4 * \quarter + 1)(%rsp)
  movdqa %xmm12, 16 * (4 * \quarter + 2)(%rsp)
  movdqa %xmm11, 16 * (4 * \quarter + 3)(%rsp)
.endm

/* `steps` blocks of lanes `first` to `first` + 3. */
.macro FOUR_LANES first
  mov LANES_AT + 8 * \first(%rdi), %r8
  mov LANES_AT + 8 * \first + 8(%rdi), %r9
  mov LANES_AT + 8 * \first + 16(%rdi), %r10
  mov LANES_AT + 8 * \first + 24(%rdi), %r11
  xor %eax, %eax
  mov %rdx, %rcx
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  movdqa LANES_STATE + 32 * \i + 4 * \first(%rdi), %xmm\i
  .endr
  .p2align 5
1:
  .irp quarter, 0, 1, 2, 3
  TRANSPOSE_QUARTER \quarter
  .endr
  movdqa as_x86_iv_lanes(%rip), %xmm8
  movdqa %xmm8, WORD8(%rsp)
  movdqa as_x86_iv_lanes + 32(%rip), %xmm9
  movdqa as_x86_iv_lanes + 64(%rip), %xmm10
  movdqa as_x86_iv_lanes + 96(%rip), %xmm11
  movdqa LANES_COUNTER_LOW + 4 * \first(%rdi), %xmm12
  movdqa LANES_COUNTER_HIGH + 4 * \first(%rdi), %xmm13
  movdqa LANES_BLOCK_SIZE + 4 * \first(%rdi), %xmm14
  movdqu 4 * \first(%rcx), %xmm15
  SEVEN_ROUNDS
  pxor WORD8(%rsp), %xmm0
  pxor %xmm9, %xmm1
  pxor %xmm10, %xmm2
  pxor %xmm11, %xmm3
  pxor %xmm12, %xmm4
  pxor %xmm13, %xmm5
  pxor %xmm14, %xmm6
  pxor %xmm15, %xmm7
  add $32, %rcx
  add $64, %rax
  cmp %rsi, %rax
  jne 1b
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  movdqa %xmm\i, LANES_STATE + 32 * \i + 4 * \first(%rdi)
  .endr
.endm

/*
 * void as_blake3_steps_sse41(as_blake3_lanes *lanes, size_t steps, const uint32_t (*flags)[8])
 *
 * rdi lanes, rsi bytes of input to take from each lane, rdx flags of the first step, rcx flags of this step
 * rax offset into the inputs r8-r11
 * xmm0-15 state words; xmm8 is also the temporary of rotations
 * Clobbers: rax, rcx, rsi, r8-r11, xmm0-15, flags.
 */
FUNCTION as_blake3_steps_sse41
  ENTER_FRAME 320
  shl $6, %rsi
  FOUR_LANES 0
  cmpq $4, LANES_USED(%rdi)
  jbe 2f
  FOUR_LANES 4
2:
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  add %rsi, LANES_AT + 8 * \i(%rdi)
  .endr
  LEAVE_FRAME
  ret
END_FUNCTION as_blake3_steps_sse41

  .section .note.GNU-stack, "", %progbits
#endif
