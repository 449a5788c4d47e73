/*
 * BLAKE3 of sixteen messages side by side in AVX-512, block after block, and what prepares lanes and reads them out.
 *
 * Thirty-two registers hold BLAKE3's state and the whole message, so its rounds touch no memory, and rotations need no
 * temporary.
 */
#if defined(__ELF__)
#include "function.inc"
#include "wide.inc"
#include "wide_lanes.inc"

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

/* Four words of all lanes, through zmm8-15. */
.macro TAKE_QUARTER quarter, w0, w1, w2, w3
  LOAD_LANES rdi, \quarter, 0, 8
  LOAD_LANES rdi, \quarter, 1, 9
  LOAD_LANES rdi, \quarter, 2, 10
  LOAD_LANES rdi, \quarter, 3, 11
  TRANSPOSE_BEGIN 8, 9, 10, 11, 12, 13, 14, 15
  TRANSPOSE_END 12, 13, 14, 15, \w0, \w1, \w2, \w3
.endm

/* The message at offset rax of all lanes into zmm16-31, through zmm8-15. */
.macro LOAD_MESSAGE
  TAKE_QUARTER 0, 16, 17, 18, 19
  TAKE_QUARTER 1, 20, 21, 22, 23
  TAKE_QUARTER 2, 24, 25, 26, 27
  TAKE_QUARTER 3, 28, 29, 30, 31
.endm

/* A compression: chaining values in zmm0-7, message in zmm16-31, flags at rdx. */
.macro BLAKE3_COMPRESS
  BEGIN_LANES rdi, 8, 9, 10, 11, 12, 13, 14, 15
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

/*
 * void as_blake3_wide_avx512(as_wide_lanes *lanes, size_t steps, const as_wide_row *flags)
 *
 * rdi lanes, rsi bytes of input to take from each lane, rdx flags of this step, rax offset into the inputs
 * rcx, r9-r11 inputs
 * zmm0-15 state words, zmm16-31 message words
 * Clobbers: rax, rcx, rdx, rsi, r9-r11, zmm0-31, flags.
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
  MOVE_ON rdi, rax
  vzeroupper
  ret
END_FUNCTION as_blake3_wide_avx512

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

/* The rows at rdi, word by word of each lane, become eight words of each lane in turn: low and high four of lane 4k + i
 * in part k of rows i and 8 + i. */
.macro LOAD_ROWS
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa64 64 * \i(%rdi), %zmm\i
  .endr
  TRANSPOSE_BEGIN 0, 1, 2, 3, 12, 13, 14, 15
  TRANSPOSE_END 12, 13, 14, 15, 0, 1, 2, 3
  TRANSPOSE_BEGIN 4, 5, 6, 7, 12, 13, 14, 15
  TRANSPOSE_END 12, 13, 14, 15, 8, 9, 10, 11
.endm

.macro STORE_LANES
  .irp k, 0, 1, 2, 3
  STORE_PART \k
  .endr
.endm

/*
 * void as_wide_values_avx512(const as_wide_row rows[8], uint8_t values[512])
 * Clobbers: zmm0-15.
 */
FUNCTION as_wide_values_avx512
  LOAD_ROWS
  STORE_LANES
  vzeroupper
  ret
END_FUNCTION as_wide_values_avx512

/*
 * void as_sha256_values_avx512(const as_wide_lanes *lanes, uint8_t values[512])
 * Clobbers: rdi, zmm0-15, flags.
 */
FUNCTION as_sha256_values_avx512
  add $WIDE_SHA256, %rdi
  LOAD_ROWS
  .irp i, 0, 1, 2, 3, 8, 9, 10, 11
  vpshufb as_x86_swap_words(%rip), %zmm\i, %zmm\i
  .endr
  STORE_LANES
  vzeroupper
  ret
END_FUNCTION as_sha256_values_avx512

/* A word from memory in every lane of a row. */
.macro FILL_ROW from, to
  vpbroadcastd \from, %zmm0
  vmovdqa64 %zmm0, \to
.endm

/*
 * void as_sha256_begin_avx512(as_wide_lanes *lanes)
 * Clobbers: zmm0.
 */
FUNCTION as_sha256_begin_avx512
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  FILL_ROW (as_initial_value + 4 * \i)(%rip), (WIDE_SHA256 + 64 * \i)(%rdi)
  .endr
  vzeroupper
  ret
END_FUNCTION as_sha256_begin_avx512

/*
 * void as_wide_begin_avx512(as_wide_lanes *lanes)
 * Clobbers: eax, zmm0, zmm1.
 */
FUNCTION as_wide_begin_avx512
  mov $64, %eax
  vpbroadcastd %eax, %zmm0
  vpxord %zmm1, %zmm1, %zmm1
  vmovdqa64 %zmm0, WIDE_BLOCK_SIZE(%rdi)
  vmovdqa64 %zmm1, WIDE_COUNTER_HIGH(%rdi)
  .irp word, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  vmovdqa64 %zmm1, WIDE_ENDINGS + 64 * \word(%rdi)
  .endr
  movq $0, WIDE_HAS_ENDINGS(%rdi)
  vzeroupper
  ret
END_FUNCTION as_wide_begin_avx512

/*
 * void as_wide_begin_chunk_avx512(as_wide_lanes *lanes, uint32_t counter)
 * Clobbers: zmm0.
 */
FUNCTION as_wide_begin_chunk_avx512
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  FILL_ROW (as_initial_value + 4 * \i)(%rip), (WIDE_CV + 64 * \i)(%rdi)
  .endr
  FILL_ROW %esi, WIDE_COUNTER_LOW(%rdi)
  vzeroupper
  ret
END_FUNCTION as_wide_begin_chunk_avx512

  .section .note.GNU-stack, "", %progbits
#endif
