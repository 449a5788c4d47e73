/*
 * SHA-256 blocks in general registers, with the message schedule of two blocks at once in AVX2.
 */
#if defined(__ELF__)
#include "function.inc"

.macro W_COPY s, d
  vmovdqa %ymm\s, %ymm\d
.endm
.macro W_ADD s, d
  vpaddd %ymm\s, %ymm\d, %ymm\d
.endm
.macro W_XOR s, d
  vpxor %ymm\s, %ymm\d, %ymm\d
.endm
.macro W_RIGHT n, d
  vpsrld $\n, %ymm\d, %ymm\d
.endm
.macro W_LEFT n, d
  vpslld $\n, %ymm\d, %ymm\d
.endm
.macro W_RIGHT64 n, d
  vpsrlq $\n, %ymm\d, %ymm\d
.endm
.macro W_ALIGN s, d
  vpalignr $4, %ymm\s, %ymm\d, %ymm\d
.endm
.macro W_SPREAD order, s, d
  vpshufd $\order, %ymm\s, %ymm\d
.endm
.macro W_PLACE mask, d
  vpshufb as_x86_sha256_masks + \mask(%rip), %ymm\d, %ymm\d
.endm
.macro W_STORE quad, w
  vbroadcasti128 as_x86_sha256_k + 16 * (\quad)(%rip), %ymm8
  vpaddd %ymm\w, %ymm8, %ymm8
  vmovdqa %ymm8, 32 * (\quad)(%rsp)
.endm

.macro BIG_SIGMA n1, n2, n3, from, to
  rorx $\n1, \from, \to
  rorx $\n2, \from, %r15d
  xor %r15d, \to
  rorx $\n3, \from, %r15d
  xor %r15d, \to
.endm

#include "sha256_scalar.inc"

/*
 * void as_sha256_blocks_avx2(uint32_t state[8], const uint8_t *blocks, size_t count)
 *
 * The words of two blocks lie quad by quad side by side in the frame. A last single block stands in for its partner.
 *
 * rdi state, rsi next block; the end of the blocks lies in the frame above the words
 * Clobbers: rax, rcx, rdx, rsi, r8-r11, ymm0-8, flags.
 */
FUNCTION as_sha256_blocks_avx2
  test %rdx, %rdx
  jz 4f
  ENTER_FRAME 576, all=1
  shl $6, %rdx
  add %rsi, %rdx
  mov %rdx, 512(%rsp)
  LOAD_STATE
  .p2align 5
1:
  lea 64(%rsi), %r13
  cmp 512(%rsp), %r13
  cmove %rsi, %r13
  .irp quad, 0, 1, 2, 3
  vmovdqu 16 * \quad(%rsi), %xmm\quad
  vinserti128 $1, 16 * \quad(%r13), %ymm\quad, %ymm\quad
  vpshufb as_x86_swap_words(%rip), %ymm\quad, %ymm\quad
  W_STORE \quad, \quad
  .endr
  add $64, %rsi
  SCALAR_BLOCK 0, 32, 1
  cmp 512(%rsp), %rsi
  je 3f
  add $64, %rsi
  SCALAR_BLOCK 16, 32, 0
  cmp 512(%rsp), %rsi
  jne 1b
3:
  vzeroupper
  LEAVE_FRAME all=1
4:
  ret
END_FUNCTION as_sha256_blocks_avx2

  .section .note.GNU-stack, "", %progbits
#endif
