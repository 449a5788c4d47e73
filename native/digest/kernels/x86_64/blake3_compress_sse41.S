/*
 * One BLAKE3 compression in SSE4.1: the state is four rows of four words, a round mixes its columns, turns the rows so
 * that the diagonals become columns, and mixes again.
 */
#if defined(__ELF__)
#include "function.inc"

/*
 * xmm0-3 rows of the state
 * xmm4-7 the sixteen message words, in the order in which this round uses them:
 *        first and second word of the four columns, first and second word of the four diagonals
 * xmm8   temporary of rotations   xmm9-12 the next round's words
 *
 * Row 1 is the last to be ready, so it stays and the other rows turn around it. Lane 0 then holds the fourth diagonal,
 * lane 1 the first, and xmm6 and xmm7 keep their words in that order: 14, 8, 10, 12 and 15, 9, 11, 13 in round 1.
 */
.macro HALF_MIX message, rotate1, right2
  paddd %xmm\message, %xmm0
  paddd %xmm1, %xmm0
  pxor %xmm0, %xmm3
  pshufb as_x86_\rotate1(%rip), %xmm3
  paddd %xmm3, %xmm2
  pxor %xmm2, %xmm1
  movdqa %xmm1, %xmm8
  psrld $\right2, %xmm1
  pslld $32 - \right2, %xmm8
  por %xmm8, %xmm1
.endm

.macro ROUND
  HALF_MIX 4, rotate16, 12
  HALF_MIX 5, rotate8, 7
  pshufd $0x93, %xmm0, %xmm0
  pshufd $0x4e, %xmm3, %xmm3
  pshufd $0x39, %xmm2, %xmm2
  HALF_MIX 6, rotate16, 12
  HALF_MIX 7, rotate8, 7
  pshufd $0x39, %xmm0, %xmm0
  pshufd $0x4e, %xmm3, %xmm3
  pshufd $0x93, %xmm2, %xmm2
.endm

/* The words of the next round (table 2). The comments name words by their numbers in round 1, low lane first. */
.macro PERMUTE
  movdqa %xmm4, %xmm9
  shufps $0xd9, %xmm5, %xmm9      /*  2  4  3  7 */
  movdqa %xmm6, %xmm10
  pblendw $0xc0, %xmm7, %xmm10    /*  .  . 10 13 */
  movdqa %xmm5, %xmm11
  pblendw $0xc0, %xmm6, %xmm11    /*  1  .  . 12 */
  movdqa %xmm7, %xmm12
  punpckhdq %xmm5, %xmm12         /* 11  5  .  . */
  shufps $0xe3, %xmm10, %xmm4     /*  6  0 10 13 */
  shufps $0xc4, %xmm11, %xmm7     /* 15  9  1 12 */
  shufps $0x41, %xmm12, %xmm6     /*  8 14 11  5 */
  pshufd $0xd8, %xmm4, %xmm5      /*  6 10  0 13 */
  pshufd $0x78, %xmm9, %xmm4      /*  2  3  7  4 */
  pshufd $0x78, %xmm6, %xmm8      /*  8 11  5 14 */
  pshufd $0x78, %xmm7, %xmm6      /* 15  1 12  9 */
  movdqa %xmm8, %xmm7
.endm

/* rdi chaining value, rsi block, edx block size, rcx counter, r8d flags: the state after seven rounds. */
.macro COMPRESS
  movdqu (%rdi), %xmm0
  movdqu 16(%rdi), %xmm1
  movdqa as_x86_iv(%rip), %xmm2
  movq %rcx, %xmm3
  movd %edx, %xmm8
  pinsrd $1, %r8d, %xmm8
  punpcklqdq %xmm8, %xmm3
  movups (%rsi), %xmm4
  movups 16(%rsi), %xmm8
  movups 32(%rsi), %xmm6
  movups 48(%rsi), %xmm9
  movaps %xmm4, %xmm5
  shufps $0x88, %xmm8, %xmm4      /*  0  2  4  6 */
  shufps $0xdd, %xmm8, %xmm5      /*  1  3  5  7 */
  movaps %xmm6, %xmm7
  shufps $0x88, %xmm9, %xmm6      /*  8 10 12 14 */
  shufps $0xdd, %xmm9, %xmm7      /*  9 11 13 15 */
  pshufd $0x93, %xmm6, %xmm6      /* 14  8 10 12 */
  pshufd $0x93, %xmm7, %xmm7      /* 15  9 11 13 */
  .rept 6
  ROUND
  PERMUTE
  .endr
  ROUND
.endm

/*
 * void as_blake3_compress_sse41(const uint32_t cv[8], const uint8_t block[64], uint32_t block_size, uint64_t counter,
 *                               uint32_t flags, uint32_t out[8])
 * r9 out. Clobbers: xmm0-12, flags.
 */
FUNCTION as_blake3_compress_sse41
  COMPRESS
  pxor %xmm2, %xmm0
  pxor %xmm3, %xmm1
  movdqu %xmm0, (%r9)
  movdqu %xmm1, 16(%r9)
  ret
END_FUNCTION as_blake3_compress_sse41

/*
 * void as_blake3_compress_xof_sse41(the same, uint8_t out[64])
 * The second half of the output is the second half of the state with the chaining value.
 */
FUNCTION as_blake3_compress_xof_sse41
  COMPRESS
  movdqu (%rdi), %xmm4
  movdqu 16(%rdi), %xmm5
  pxor %xmm2, %xmm0
  pxor %xmm3, %xmm1
  pxor %xmm4, %xmm2
  pxor %xmm5, %xmm3
  movdqu %xmm0, (%r9)
  movdqu %xmm1, 16(%r9)
  movdqu %xmm2, 32(%r9)
  movdqu %xmm3, 48(%r9)
  ret
END_FUNCTION as_blake3_compress_xof_sse41

  .section .note.GNU-stack, "", %progbits
#endif
