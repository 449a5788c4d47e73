/*
 * Both hashes of sixteen messages side by side in AVX-512, woven into each other: after nearly every round of SHA-256
 * stands a half of a half of four mixings of BLAKE3.
 *
 * Each hash by itself waits for its own results: a round of SHA-256 in lanes is a chain of four operations from one E
 * to the next, and BLAKE3 has four chains in its state. Woven, the two fill each other's gaps, and what is left is how
 * many vector operations a core can start: about 2,550 for a block of all sixteen messages.
 *
 * BLAKE3 leaves the message as it was: for SHA-256 its bytes are swapped, so that one transpose feeds both. Where a
 * message ends, SHA-256 sees padding and BLAKE3 zeros; lanes->endings is the difference.
 */
#if defined(__ELF__)
#include "function.inc"
#define VEC %zmm
#define ROW 64
.macro GAP
.endm
#include "blake3_pieces.inc"
#include "wide.inc"
#include "wide_lanes.inc"

/* A message: as BLAKE3 takes it, and what becomes the last sixteen words of SHA-256's schedule. Rows of 64 bytes. The
 * frame has two: while one is hashed, the next one is loaded and transposed. */
  .set WORDS, 0
  .set RING, 1024
  .set MESSAGE, 2048
  .set FRAME, 2 * MESSAGE

/*
 * rdi lanes of the block that is hashed, rdx its flags
 * rbx lanes of the block that is loaded, rax its offset in them; r12 end of all lanes
 * rsi bytes of input to take from each lane
 * r14 the message that is hashed, r15 the one that is loaded
 * r8 constants of SHA-256, r13 flags of the first step
 * rcx, r9-r11 inputs
 * zmm0-7   state of SHA-256, which is A in zmm0 before the first round and after every eighth
 * zmm8-13  temporaries
 * zmm14, 15 the last word of the schedule at an even and at an odd place
 * zmm16-31 state of BLAKE3; between steps zmm16-23 are its chaining values
 * All functions clobber: rax, rcx, rdx, rdi, rsi, r8-r11, zmm0-31, flags.
 */

/* ---- SHA-256 ---- */

/* SHA-256's small sigma (FIPS 180-4, section 4.1.2) of w: rotations by n1 and n2 and a shift by n3. w may be `to`. */
.macro SMALL_SIGMA n1, n2, n3, w, to, t1, t2
  vprord $\n1, %zmm\w, %zmm\t1
  vprord $\n2, %zmm\w, %zmm\t2
  vpsrld $\n3, %zmm\w, %zmm\to
  vpternlogd $0x96, %zmm\t1, %zmm\t2, %zmm\to /* all three xored */
.endm

/* The word of round k >= 16 (FIPS 180-4, section 6.2.2, step 1) into `last`, which holds the one of round k - 2, and
 * into the ring in place of that of round k - 16. */
.macro GROW k, last
  vmovdqa64 RING + 64 * ((\k + 1) % 16)(%r14), %zmm8
  SMALL_SIGMA 17, 19, 10, \last, \last, 9, 10
  SMALL_SIGMA 7, 18, 3, 8, 8, 11, 12
  vpaddd RING + 64 * (\k % 16)(%r14), %zmm\last, %zmm\last
  vpaddd RING + 64 * ((\k + 9) % 16)(%r14), %zmm8, %zmm8
  vpaddd %zmm8, %zmm\last, %zmm\last
  vmovdqa64 %zmm\last, RING + 64 * (\k % 16)(%r14)
.endm

/* A round whose word and constant have been added to h (FIPS 180-4, section 6.2.2, step 3). The choice and the majority
 * are single vpternlogd, and each costs a copy, which needs no port. */
.macro ROUND t0, t1, t2, t3, a, b, c, d, e, f, g, h
  vprord $6, %zmm\e, %zmm\t0
  vprord $11, %zmm\e, %zmm\t1
  vprord $25, %zmm\e, %zmm\t2
  vmovdqa64 %zmm\e, %zmm\t3
  vpternlogd $0xca, %zmm\g, %zmm\f, %zmm\t3 /* e ? f : g */
  vpternlogd $0x96, %zmm\t0, %zmm\t1, %zmm\t2
  vpaddd %zmm\t3, %zmm\h, %zmm\h
  vprord $2, %zmm\a, %zmm\t0
  vprord $13, %zmm\a, %zmm\t1
  vpaddd %zmm\t2, %zmm\h, %zmm\h
  vprord $22, %zmm\a, %zmm\t2
  vmovdqa64 %zmm\a, %zmm\t3
  vpaddd %zmm\h, %zmm\d, %zmm\d
  vpternlogd $0xe8, %zmm\c, %zmm\b, %zmm\t3 /* the majority */
  vpternlogd $0x96, %zmm\t0, %zmm\t1, %zmm\t2
  vpaddd %zmm\t3, %zmm\h, %zmm\h
  vpaddd %zmm\t2, %zmm\h, %zmm\h
.endm

/* Round k of a message whose word is in `word`. */
.macro ROUND_OF_WORD k, word, a, b, c, d, e, f, g, h
  vpaddd 4 * (\k)(%r8){1to16}, %zmm\word, %zmm8
  vpaddd %zmm8, %zmm\h, %zmm\h
  ROUND 9, 10, 11, 12, \a, \b, \c, \d, \e, \f, \g, \h
.endm

.macro ROUND_AT k, roles:vararg
  .if (\k) < 16
  vmovdqa64 RING + 64 * (\k)(%r14), %zmm13
  ROUND_OF_WORD (\k), 13, \roles
  .elseif (\k) % 2 == 0
  GROW (\k), 14
  ROUND_OF_WORD (\k), 14, \roles
  .else
  GROW (\k), 15
  ROUND_OF_WORD (\k), 15, \roles
  .endif
.endm

/* A piece of BLAKE3, whose state is in zmm16-31. */
.macro MIX_PIECE piece
  BLAKE3_PIECE (\piece), 16, WORDS, r14
.endm

/* Where GROW looks for them. */
.macro KEEP_LAST_WORDS
  vmovdqa64 RING + 64 * 14(%r14), %zmm14
  vmovdqa64 RING + 64 * 15(%r14), %zmm15
.endm

.macro NOTHING place
.endm

/* Rounds k to k + 7, and seven pieces of the other hash. */
.macro EIGHT_ROUNDS k, piece
  ROUND_AT \k, 0, 1, 2, 3, 4, 5, 6, 7
  \piece (\k / 8 * 7)
  ROUND_AT (\k + 1), 7, 0, 1, 2, 3, 4, 5, 6
  \piece (\k / 8 * 7 + 1)
  ROUND_AT (\k + 2), 6, 7, 0, 1, 2, 3, 4, 5
  \piece (\k / 8 * 7 + 2)
  ROUND_AT (\k + 3), 5, 6, 7, 0, 1, 2, 3, 4
  \piece (\k / 8 * 7 + 3)
  ROUND_AT (\k + 4), 4, 5, 6, 7, 0, 1, 2, 3
  \piece (\k / 8 * 7 + 4)
  ROUND_AT (\k + 5), 3, 4, 5, 6, 7, 0, 1, 2
  \piece (\k / 8 * 7 + 5)
  ROUND_AT (\k + 6), 2, 3, 4, 5, 6, 7, 0, 1
  \piece (\k / 8 * 7 + 6)
  ROUND_AT (\k + 7), 1, 2, 3, 4, 5, 6, 7, 0
.endm

/* All rounds, and after every other eight a quarter of what comes next. */
.macro ROUNDS piece, quarter
  EIGHT_ROUNDS 0, \piece
  \quarter 0
  EIGHT_ROUNDS 8, \piece
  EIGHT_ROUNDS 16, \piece
  \quarter 1
  EIGHT_ROUNDS 24, \piece
  EIGHT_ROUNDS 32, \piece
  \quarter 2
  EIGHT_ROUNDS 40, \piece
  EIGHT_ROUNDS 48, \piece
  \quarter 3
  EIGHT_ROUNDS 56, \piece
.endm

/* Adds the state before the block, which is in memory, and keeps the result there. */
.macro END_SHA256
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vpaddd WIDE_SHA256 + 64 * \i(%rdi), %zmm\i, %zmm\i
  vmovdqa64 %zmm\i, WIDE_SHA256 + 64 * \i(%rdi)
  .endr
.endm

/* ---- messages ---- */

/* A message word to both hashes, through zmm13. */
.macro GIVE_WORD word, from
  vpshufb as_x86_swap_words(%rip), %zmm\from, %zmm13
  vpxord WIDE_ENDINGS + 64 * (\word)(%rbx), %zmm13, %zmm13
  vmovdqa64 %zmm\from, WORDS + 64 * (\word)(%r15)
  vmovdqa64 %zmm13, RING + 64 * (\word)(%r15)
.endm

/* A quarter of the next block, if there is one. */
.macro LOAD_NEXT quarter
  cmp %r12, %rbx
  je 9f
  LOAD_QUARTER rbx, \quarter, GIVE_WORD
9:
.endm

.macro END_BLAKE3
  vpxord %zmm24, %zmm16, %zmm16
  vpxord %zmm25, %zmm17, %zmm17
  vpxord %zmm26, %zmm18, %zmm18
  vpxord %zmm27, %zmm19, %zmm19
  vpxord %zmm28, %zmm20, %zmm20
  vpxord %zmm29, %zmm21, %zmm21
  vpxord %zmm30, %zmm22, %zmm22
  vpxord %zmm31, %zmm23, %zmm23
.endm

.macro LOAD_SHA256
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa64 WIDE_SHA256 + 64 * \i(%rdi), %zmm\i
  .endr
.endm

/* Chaining values from memory, and back. */
.macro LOAD_VALUES
  vmovdqa64 WIDE_CV(%rdi), %zmm16
  vmovdqa64 WIDE_CV + 64(%rdi), %zmm17
  vmovdqa64 WIDE_CV + 128(%rdi), %zmm18
  vmovdqa64 WIDE_CV + 192(%rdi), %zmm19
  vmovdqa64 WIDE_CV + 256(%rdi), %zmm20
  vmovdqa64 WIDE_CV + 320(%rdi), %zmm21
  vmovdqa64 WIDE_CV + 384(%rdi), %zmm22
  vmovdqa64 WIDE_CV + 448(%rdi), %zmm23
.endm

.macro STORE_VALUES
  vmovdqa64 %zmm16, WIDE_CV(%rdi)
  vmovdqa64 %zmm17, WIDE_CV + 64(%rdi)
  vmovdqa64 %zmm18, WIDE_CV + 128(%rdi)
  vmovdqa64 %zmm19, WIDE_CV + 192(%rdi)
  vmovdqa64 %zmm20, WIDE_CV + 256(%rdi)
  vmovdqa64 %zmm21, WIDE_CV + 320(%rdi)
  vmovdqa64 %zmm22, WIDE_CV + 384(%rdi)
  vmovdqa64 %zmm23, WIDE_CV + 448(%rdi)
.endm

/*
 * void as_dual_wide_avx512(as_wide_lanes *lanes, size_t sets, size_t steps, const as_wide_row *flags)
 */
FUNCTION as_dual_wide_avx512
  ENTER_FRAME FRAME, all=1
  mov %rsp, %r15
  lea MESSAGE(%rsp), %r14
  mov %rdi, %rbx
  imul $WIDE_SIZE, %rsi, %r12
  add %rdi, %r12
  mov %rdx, %rsi
  shl $6, %rsi
  mov %rcx, %r13
  xor %eax, %eax
  lea as_x86_sha256_k(%rip), %r8
  .irp quarter, 0, 1, 2, 3
  LOAD_QUARTER rbx, \quarter, GIVE_WORD
  .endr
1:
  mov %r13, %rdx
  LOAD_SHA256
  LOAD_VALUES
  .p2align 5
2:
  xchg %r14, %r15
  add $64, %rax
  cmp %rsi, %rax
  jne 3f
  xor %eax, %eax               /* the block after the last is the first of the next lanes */
  add $WIDE_SIZE, %rbx
3:
  KEEP_LAST_WORDS
  BEGIN_LANES rdi, 24, 25, 26, 27, 28, 29, 30, 31
  ROUNDS MIX_PIECE, LOAD_NEXT
  END_BLAKE3
  END_SHA256
  add $64, %rdx
  cmp %rbx, %rdi
  je 2b
  STORE_VALUES
  MOVE_ON rdi, rsi
  mov %rbx, %rdi
  cmp %r12, %rdi
  jne 1b
  vzeroupper
  LEAVE_FRAME all=1
  ret
END_FUNCTION as_dual_wide_avx512

/*
 * void as_sha256_endings_avx512(as_wide_lanes *lanes)
 */
FUNCTION as_sha256_endings_avx512
  ENTER_FRAME FRAME, all=1
  mov %rsp, %r14
  lea as_x86_sha256_k(%rip), %r8
  LOAD_SHA256
  .irp word, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  vmovdqa64 WIDE_ENDINGS + 64 * \word(%rdi), %zmm8
  vmovdqa64 %zmm8, RING + 64 * \word(%r14)
  .endr
  KEEP_LAST_WORDS
  ROUNDS NOTHING, NOTHING
  END_SHA256
  vzeroupper
  LEAVE_FRAME all=1
  ret
END_FUNCTION as_sha256_endings_avx512

/* The state of the second of two sets of lanes. */
.macro LOAD_SECOND register, i
  vmovdqa64 WIDE_SIZE + WIDE_SHA256 + 64 * \i(%rdi), %zmm\register
.endm

.macro END_SECOND register, i
  vpaddd WIDE_SIZE + WIDE_SHA256 + 64 * \i(%rdi), %zmm\register, %zmm\register
  vmovdqa64 %zmm\register, WIDE_SIZE + WIDE_SHA256 + 64 * \i(%rdi)
.endm

/* Round k of two sets of lanes whose message is the same in all of them. */
.macro PADDING_ROUND k, a, b, c, d, e, f, g, h, a2, b2, c2, d2, e2, f2, g2, h2
  vpaddd 4 * (\k)(%rsi){1to16}, %zmm\h, %zmm\h
  vpaddd 4 * (\k)(%rsi){1to16}, %zmm\h2, %zmm\h2
  ROUND 8, 9, 10, 11, \a, \b, \c, \d, \e, \f, \g, \h
  ROUND 24, 25, 26, 27, \a2, \b2, \c2, \d2, \e2, \f2, \g2, \h2
.endm

/*
 * void as_sha256_padding_avx512(as_wide_lanes lanes[2], const uint32_t words[64])
 *
 * rdi lanes, rsi words, r8 end of the words
 * zmm0-7, 16-23 states   zmm8-11, 24-27 temporaries
 */
FUNCTION as_sha256_padding_avx512
  LOAD_SHA256
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  .altmacro
  LOAD_SECOND %(16 + \i), \i
  .noaltmacro
  .endr
  lea 256(%rsi), %r8
  .p2align 5
1:
  PADDING_ROUND 0, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
  PADDING_ROUND 1, 7, 0, 1, 2, 3, 4, 5, 6, 23, 16, 17, 18, 19, 20, 21, 22
  PADDING_ROUND 2, 6, 7, 0, 1, 2, 3, 4, 5, 22, 23, 16, 17, 18, 19, 20, 21
  PADDING_ROUND 3, 5, 6, 7, 0, 1, 2, 3, 4, 21, 22, 23, 16, 17, 18, 19, 20
  PADDING_ROUND 4, 4, 5, 6, 7, 0, 1, 2, 3, 20, 21, 22, 23, 16, 17, 18, 19
  PADDING_ROUND 5, 3, 4, 5, 6, 7, 0, 1, 2, 19, 20, 21, 22, 23, 16, 17, 18
  PADDING_ROUND 6, 2, 3, 4, 5, 6, 7, 0, 1, 18, 19, 20, 21, 22, 23, 16, 17
  PADDING_ROUND 7, 1, 2, 3, 4, 5, 6, 7, 0, 17, 18, 19, 20, 21, 22, 23, 16
  add $32, %rsi
  cmp %r8, %rsi
  jne 1b
  END_SHA256
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  .altmacro
  END_SECOND %(16 + \i), \i
  .noaltmacro
  .endr
  vzeroupper
  ret
END_FUNCTION as_sha256_padding_avx512

  .section .note.GNU-stack, "", %progbits
#endif
