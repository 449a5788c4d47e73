/*
 * Sixteen messages side by side in AVX-512, block after block: BLAKE3, or BLAKE3 and SHA-256 of the same blocks.
 *
 * Thirty-two registers hold BLAKE3's state and the whole message, so its rounds touch no memory, and rotations need no
 * temporary. BLAKE3 leaves the message as it was: for SHA-256 its bytes are swapped where they lie, so that one
 * transpose feeds both. Where a message ends, SHA-256 sees padding and BLAKE3 zeros; lanes->endings is the difference.
 *
 * SHA-256 in sixteen lanes should beat the SHA instructions where there are enough messages: with these a block takes
 * 128 cycles in a chain, and in lanes about 880 for all sixteen (bench/native/estimate.mjs: an estimate, not measured).
 */
#if defined(__ELF__)
#include "function.inc"
#include "wide.inc"

/* What blake3_rounds.inc asks for. State word i is in zmm<i>, message word i in zmm<16 + i>. */
.macro LANE_ADD s, d
  vpaddd %zmm\s, %zmm\d, %zmm\d
.endm

.macro LANE_XOR s, d
  vpxord %zmm\s, %zmm\d, %zmm\d
.endm

.macro ADD_MESSAGE m, d
  .altmacro
  LANE_ADD %(16 + \m), \d
  .noaltmacro
.endm

.macro ADD_C d, c
  LANE_ADD \d, \c
.endm

.macro FREE_TEMPORARY
.endm

.macro ROTATE right, r
  vprord $\right, %zmm\r, %zmm\r
.endm

#include "blake3_rounds.inc"

/* Four words of lanes first, first + 4, first + 8 and first + 12. Insertions take their part from memory, so they need
 * half the shuffles that whole loads would. */
.macro LOAD_LANES quarter, first, to
  mov WIDE_AT + 8 * \first(%rdi), %r8
  mov WIDE_AT + 8 * (\first + 4)(%rdi), %r9
  mov WIDE_AT + 8 * (\first + 8)(%rdi), %r10
  mov WIDE_AT + 8 * (\first + 12)(%rdi), %r11
  vmovdqu 16 * \quarter(%r8, %rax), %xmm\to
  vinserti32x4 $1, 16 * \quarter(%r9, %rax), %zmm\to, %zmm\to
  vinserti32x4 $2, 16 * \quarter(%r10, %rax), %zmm\to, %zmm\to
  vinserti32x4 $3, 16 * \quarter(%r11, %rax), %zmm\to, %zmm\to
.endm

.macro LOAD_QUARTER quarter, w0, w1, w2, w3
  LOAD_LANES \quarter, 0, 8
  LOAD_LANES \quarter, 1, 9
  LOAD_LANES \quarter, 2, 10
  LOAD_LANES \quarter, 3, 11
  TRANSPOSE_BEGIN 8, 9, 10, 11, 12, 13, 14, 15
  TRANSPOSE_END 12, 13, 14, 15, \w0, \w1, \w2, \w3
.endm

/* The message at offset rax of all lanes into zmm16-31, through zmm8-15. */
.macro LOAD_MESSAGE
  LOAD_QUARTER 0, 16, 17, 18, 19
  LOAD_QUARTER 1, 20, 21, 22, 23
  LOAD_QUARTER 2, 24, 25, 26, 27
  LOAD_QUARTER 3, 28, 29, 30, 31
.endm

/* A compression: chaining values in zmm0-7, message in zmm16-31, flags at rdx. */
.macro BLAKE3_COMPRESS
  vpbroadcastd as_x86_iv(%rip), %zmm8
  vpbroadcastd as_x86_iv + 4(%rip), %zmm9
  vpbroadcastd as_x86_iv + 8(%rip), %zmm10
  vpbroadcastd as_x86_iv + 12(%rip), %zmm11
  vmovdqa64 WIDE_COUNTER_LOW(%rdi), %zmm12
  vmovdqa64 WIDE_COUNTER_HIGH(%rdi), %zmm13
  vmovdqa64 WIDE_BLOCK_SIZE(%rdi), %zmm14
  vmovdqu32 (%rdx), %zmm15
  SEVEN_ROUNDS
  LANE_XOR 8, 0
  LANE_XOR 9, 1
  LANE_XOR 10, 2
  LANE_XOR 11, 3
  LANE_XOR 12, 4
  LANE_XOR 13, 5
  LANE_XOR 14, 6
  LANE_XOR 15, 7
.endm

.macro MOVE_ON
  .irp lane, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  add %rax, WIDE_AT + 8 * \lane(%rdi)
  .endr
.endm

/*
 * void as_blake3_wide_avx512(as_wide_lanes *lanes, size_t steps, const as_wide_row *flags)
 *
 * rdi lanes, rsi bytes of input to take from each lane, rdx flags of this step, rax offset into the inputs
 * r8-r11 inputs
 * zmm0-15 state words, zmm16-31 message words
 * Clobbers: rax, rdx, rsi, r8-r11, zmm0-31, flags.
 */
FUNCTION as_blake3_wide_avx512
  xor %eax, %eax
  shl $6, %rsi
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa64 WIDE_CV + 64 * \i(%rdi), %zmm\i
  .endr
  .p2align 5
1:
  LOAD_MESSAGE
  BLAKE3_COMPRESS
  add $64, %rdx
  add $64, %rax
  cmp %rsi, %rax
  jne 1b
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa64 %zmm\i, WIDE_CV + 64 * \i(%rdi)
  .endr
  MOVE_ON
  vzeroupper
  ret
END_FUNCTION as_blake3_wide_avx512

/* One round of SHA-256 (FIPS 180-4, section 6.2.2) with message word w and the constant at `k`(r8). Rotations go to one
 * port only, so the choice and the majority are single vpternlogd, and each costs a copy, which needs no port. */
.macro SHA_ROUND k, w, a, b, c, d, e, f, g, h
  vpaddd %zmm\w, %zmm\h, %zmm\h
  vpaddd 4 * \k(%r8){1to16}, %zmm\h, %zmm\h
  vprord $6, %zmm\e, %zmm8
  vprord $11, %zmm\e, %zmm9
  vprord $25, %zmm\e, %zmm10
  vmovdqa64 %zmm\e, %zmm11
  vpternlogd $0x96, %zmm9, %zmm10, %zmm8
  vpternlogd $0xca, %zmm\g, %zmm\f, %zmm11 /* e ? f : g */
  vprord $2, %zmm\a, %zmm12
  vprord $13, %zmm\a, %zmm13
  vpaddd %zmm8, %zmm\h, %zmm\h
  vprord $22, %zmm\a, %zmm14
  vmovdqa64 %zmm\a, %zmm15
  vpaddd %zmm11, %zmm\h, %zmm\h
  vpternlogd $0xe8, %zmm\c, %zmm\b, %zmm15 /* the majority */
  vpternlogd $0x96, %zmm13, %zmm14, %zmm12
  vpaddd %zmm\h, %zmm\d, %zmm\d
  vpaddd %zmm15, %zmm\h, %zmm\h
  vpaddd %zmm12, %zmm\h, %zmm\h
.endm

/* Message word w becomes the one of 16 rounds later; w1, w9 and w14 are those so many places on. */
.macro SHA_GROW w, w1, w9, w14
  WIDE_SMALL_SIGMA 7, 18, 3, \w1, 8, 9, 10
  vpaddd %zmm\w9, %zmm\w, %zmm\w
  WIDE_SMALL_SIGMA 17, 19, 10, \w14, 11, 12, 13
  vpaddd %zmm8, %zmm\w, %zmm\w
  vpaddd %zmm11, %zmm\w, %zmm\w
.endm

/* Round k of sixteen; `grow` is whether its word must first be computed. */
.macro SHA_STEP grow, k, w, w1, w9, w14, roles:vararg
  .if \grow
  SHA_GROW \w, \w1, \w9, \w14
  .endif
  SHA_ROUND \k, \w, \roles
.endm

.macro SHA_SIXTEEN grow
  SHA_STEP \grow, 0, 16, 17, 25, 30, 0, 1, 2, 3, 4, 5, 6, 7
  SHA_STEP \grow, 1, 17, 18, 26, 31, 7, 0, 1, 2, 3, 4, 5, 6
  SHA_STEP \grow, 2, 18, 19, 27, 16, 6, 7, 0, 1, 2, 3, 4, 5
  SHA_STEP \grow, 3, 19, 20, 28, 17, 5, 6, 7, 0, 1, 2, 3, 4
  SHA_STEP \grow, 4, 20, 21, 29, 18, 4, 5, 6, 7, 0, 1, 2, 3
  SHA_STEP \grow, 5, 21, 22, 30, 19, 3, 4, 5, 6, 7, 0, 1, 2
  SHA_STEP \grow, 6, 22, 23, 31, 20, 2, 3, 4, 5, 6, 7, 0, 1
  SHA_STEP \grow, 7, 23, 24, 16, 21, 1, 2, 3, 4, 5, 6, 7, 0
  SHA_STEP \grow, 8, 24, 25, 17, 22, 0, 1, 2, 3, 4, 5, 6, 7
  SHA_STEP \grow, 9, 25, 26, 18, 23, 7, 0, 1, 2, 3, 4, 5, 6
  SHA_STEP \grow, 10, 26, 27, 19, 24, 6, 7, 0, 1, 2, 3, 4, 5
  SHA_STEP \grow, 11, 27, 28, 20, 25, 5, 6, 7, 0, 1, 2, 3, 4
  SHA_STEP \grow, 12, 28, 29, 21, 26, 4, 5, 6, 7, 0, 1, 2, 3
  SHA_STEP \grow, 13, 29, 30, 22, 27, 3, 4, 5, 6, 7, 0, 1, 2
  SHA_STEP \grow, 14, 30, 31, 23, 28, 2, 3, 4, 5, 6, 7, 0, 1
  SHA_STEP \grow, 15, 31, 16, 24, 29, 1, 2, 3, 4, 5, 6, 7, 0
.endm

/*
 * A compression of SHA-256 in all lanes, with the message in zmm16-31. Of this file alone, so with a convention of its
 * own: rdi lanes. Clobbers r8, r9, zmm0-31, flags.
 */
FUNCTION as_sha256_message_avx512
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa64 WIDE_SHA256 + 64 * \i(%rdi), %zmm\i
  .endr
  lea as_x86_sha256_k(%rip), %r8
  lea 192(%r8), %r9
  SHA_SIXTEEN 0
  .p2align 5
1:
  add $64, %r8
  SHA_SIXTEEN 1
  cmp %r9, %r8
  jne 1b
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vpaddd WIDE_SHA256 + 64 * \i(%rdi), %zmm\i, %zmm\i
  vmovdqa64 %zmm\i, WIDE_SHA256 + 64 * \i(%rdi)
  .endr
  ret
END_FUNCTION as_sha256_message_avx512

/*
 * void as_dual_wide_avx512(as_wide_lanes *lanes, size_t steps, const as_wide_row *flags)
 *
 * rdi lanes, rsi bytes of input to take from each lane, rdx flags of this step, rax offset into the inputs
 * r8-r11 inputs
 * zmm0-15 state words of either hash, and SHA-256's temporaries; zmm16-31 message words
 * Clobbers: rax, rdx, rsi, r8-r11, zmm0-31, flags.
 */
FUNCTION as_dual_wide_avx512
  sub $8, %rsp
  .cfi_def_cfa_offset 16
  xor %eax, %eax
  shl $6, %rsi
  .p2align 5
1:
  LOAD_MESSAGE
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa64 WIDE_CV + 64 * \i(%rdi), %zmm\i
  .endr
  BLAKE3_COMPRESS
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa64 %zmm\i, WIDE_CV + 64 * \i(%rdi)
  .endr
  vmovdqa64 as_x86_swap_words(%rip), %zmm8
  .irp w, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  vpshufb %zmm8, %zmm\w, %zmm\w
  vpxord WIDE_ENDINGS + 64 * (\w - 16)(%rdi), %zmm\w, %zmm\w
  .endr
  call as_sha256_message_avx512
  add $64, %rdx
  add $64, %rax
  cmp %rsi, %rax
  jne 1b
  MOVE_ON
  vzeroupper
  add $8, %rsp
  .cfi_def_cfa_offset 8
  ret
END_FUNCTION as_dual_wide_avx512

/*
 * void as_sha256_endings_avx512(as_wide_lanes *lanes)
 * Clobbers: r8, r9, zmm0-31, flags.
 */
FUNCTION as_sha256_endings_avx512
  sub $8, %rsp
  .cfi_def_cfa_offset 16
  .irp w, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  vmovdqa64 WIDE_ENDINGS + 64 * (\w - 16)(%rdi), %zmm\w
  .endr
  call as_sha256_message_avx512
  vzeroupper
  add $8, %rsp
  .cfi_def_cfa_offset 8
  ret
END_FUNCTION as_sha256_endings_avx512

/* Part k of rows 0-3 and 8-11: first and second half of the values of lanes 4k to 4k + 3. */
.macro STORE_PART k
  vextracti32x4 $\k, %zmm0, 128 * \k(%rsi)
  vextracti32x4 $\k, %zmm8, 128 * \k + 16(%rsi)
  vextracti32x4 $\k, %zmm1, 128 * \k + 32(%rsi)
  vextracti32x4 $\k, %zmm9, 128 * \k + 48(%rsi)
  vextracti32x4 $\k, %zmm2, 128 * \k + 64(%rsi)
  vextracti32x4 $\k, %zmm10, 128 * \k + 80(%rsi)
  vextracti32x4 $\k, %zmm3, 128 * \k + 96(%rsi)
  vextracti32x4 $\k, %zmm11, 128 * \k + 112(%rsi)
.endm

/*
 * void as_wide_values_avx512(const as_wide_row cv[8], uint8_t cvs[512])
 * Clobbers: zmm0-15.
 */
FUNCTION as_wide_values_avx512
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa64 64 * \i(%rdi), %zmm\i
  .endr
  TRANSPOSE_BEGIN 0, 1, 2, 3, 12, 13, 14, 15
  TRANSPOSE_END 12, 13, 14, 15, 0, 1, 2, 3
  TRANSPOSE_BEGIN 4, 5, 6, 7, 12, 13, 14, 15
  TRANSPOSE_END 12, 13, 14, 15, 8, 9, 10, 11
  .irp k, 0, 1, 2, 3
  STORE_PART \k
  .endr
  vzeroupper
  ret
END_FUNCTION as_wide_values_avx512

  .section .note.GNU-stack, "", %progbits
#endif
