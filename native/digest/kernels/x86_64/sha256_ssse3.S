/*
 * SHA-256 blocks in general registers, with the message schedule in SSSE3.
 */
#if defined(__ELF__)
#include "function.inc"

.macro W_COPY s, d
  movdqa %xmm\s, %xmm\d
.endm
.macro W_ADD s, d
  paddd %xmm\s, %xmm\d
.endm
.macro W_XOR s, d
  pxor %xmm\s, %xmm\d
.endm
.macro W_RIGHT n, d
  psrld $\n, %xmm\d
.endm
.macro W_LEFT n, d
  pslld $\n, %xmm\d
.endm
.macro W_RIGHT64 n, d
  psrlq $\n, %xmm\d
.endm
.macro W_ALIGN s, d
  palignr $4, %xmm\s, %xmm\d
.endm
.macro W_SPREAD order, s, d
  pshufd $\order, %xmm\s, %xmm\d
.endm
.macro W_PLACE mask, d
  pshufb as_x86_sha256_masks + \mask(%rip), %xmm\d
.endm
.macro W_STORE quad, w
  movdqa as_x86_sha256_k + 16 * (\quad)(%rip), %xmm8
  paddd %xmm\w, %xmm8
  movdqa %xmm8, 16 * (\quad)(%rsp)
.endm

/* Without rorx: the rotations add up, inner ones turn further, so one copy serves for three. */
.macro BIG_SIGMA n1, n2, n3, from, to
  mov \from, \to
  ror $\n3 - \n2, \to
  xor \from, \to
  ror $\n2 - \n1, \to
  xor \from, \to
  ror $\n1, \to
.endm

#include "sha256_scalar.inc"

/*
 * void as_sha256_blocks_ssse3(uint32_t state[8], const uint8_t *blocks, size_t count)
 *
 * rdi state, rsi next block; the end of the blocks lies in the frame above the words
 * Clobbers: rax, rcx, rdx, rsi, r8-r11, xmm0-8, flags.
 */
FUNCTION as_sha256_blocks_ssse3
  test %rdx, %rdx
  jz 2f
  ENTER_FRAME 320, all=1
  shl $6, %rdx
  add %rsi, %rdx
  mov %rdx, 256(%rsp)
  LOAD_STATE
  .p2align 5
1:
  .irp quad, 0, 1, 2, 3
  movdqu 16 * \quad(%rsi), %xmm\quad
  pshufb as_x86_swap_words(%rip), %xmm\quad
  W_STORE \quad, \quad
  .endr
  add $64, %rsi
  SCALAR_BLOCK 0, 16, 1
  cmp 256(%rsp), %rsi
  jne 1b
  LEAVE_FRAME all=1
2:
  ret
END_FUNCTION as_sha256_blocks_ssse3

  .section .note.GNU-stack, "", %progbits
#endif
