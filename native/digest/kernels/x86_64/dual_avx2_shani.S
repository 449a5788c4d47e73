/*
 * BLAKE3 over two times eight lanes in AVX2, stitched into SHA-256 with the SHA extensions: the vector units work while
 * sha256rnds2 waits for its own result.
 *
 * One chain of SHA-256 keeps the units busy for a quarter of its time, so with one message BLAKE3 is all but free. With
 * two messages the chains also fill each other's gaps, and together with BLAKE3 they come near to what the core can
 * issue at all.
 *
 * A step takes one block in each of the sixteen lanes, 1 KiB, and as many bytes of SHA-256, in eight turns: one that
 * prepares the message, then one for each round. A turn is sixteen units: eight mixings of the first eight lanes and
 * eight of the second. Before each unit stands its share of SHA-256: eight rounds of one message, or four rounds of
 * each of two, so that a turn is two blocks.
 *
 * What that comes to is in the README of this folder, and `kernels_bench` prints it.
 *
 * SHA-256 lives in xmm2 to xmm13 and only lends xmm0 and xmm1. So BLAKE3's state stays in memory, and a unit loads what
 * it mixes into four registers. It also must not care about the upper halves of its registers, since a vzeroupper ends
 * every burst of AS_BURST units: on Zen 3 a SHA instruction after wide code without it costs more than a block of
 * SHA-256.
 *
 * Why two times eight lanes: from memory to memory a mixing takes long, and each depends on two of the four before it.
 * With eight lanes the window of the core was full of mixings that waited, and SHA-256 waited behind them. Now four
 * mixings of the other lanes lie between.
 */
#if defined(__ELF__)
#include "function.inc"
#include "lanes.inc"
#include "sha256_shani.inc"

/* Units between two vzeroupper: a power of two up to 16. On Zen 3 few are best; build with another and compare. */
#ifndef AS_BURST
#define AS_BURST 1
#endif

/* The frame: sixteen message words of 32 bytes of the first eight lanes and of the second; a place for the
 * register that is lent; two SHA-256 states. */
  .set MESSAGE, 0
  .set LENT, 1024
  .set SAVED, 1056
  .set FRAME, 1120

/*
 * rdi both sets of lanes, rdx flags of this step of the first
 * rsi bytes of input to take from each lane, rax offset into the inputs
 * rcx next block of the first or only SHA-256 message, r8 of the second
 * r9  address of an input or of a message word   r10 what holds the SHA-256 states   r11 schedule of this round
 * xmm0, xmm1 temporaries of SHA-256, ymm0, ymm1, ymm14, ymm15 of BLAKE3
 * xmm2, xmm3 state of the first   xmm4-7 its ring
 * xmm8, xmm9 state of the second  xmm10-13 its ring
 * Both functions clobber: rax, rcx, rdx, rsi, r8-r11, ymm0-15, flags.
 */

/* Where message words lie in the frame, in the order in which each round takes them: the permutation of table 2 of the
 * BLAKE3 paper, applied again every round. A table instead of unrolled rounds: sixteen lanes unrolled would not fit
 * into the cache of decoded instructions. */
  .section .rodata
  .p2align 6
schedule:
.macro SCHEDULE words:vararg
  .irp word, \words
  .short MESSAGE + 32 * \word
  .endr
.endm
  SCHEDULE 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  SCHEDULE 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8
  SCHEDULE 3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1
  SCHEDULE 10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6
  SCHEDULE 12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4
  SCHEDULE 9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7
  SCHEDULE 11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13
schedule_end:

/* State word `word` of the first (set 0) or the second eight lanes, and message words of theirs. */
#define STATE(set, word) LANES_STATE + LANES_SIZE * \set + 32 * \word(%rdi)
#define WORDS(set, word) MESSAGE + 512 * \set + 32 * (word)(%rsp)

/* Of two lanes j and j + 4, the four words of this quarter into one register. Sixteen lanes are more streams than the
 * core prefetches by itself, so each line fetches the one that its lane will need when the kernel is called for the
 * next bytes of the stream, AHEAD bytes on. Beyond the input this does nothing: a prefetch cannot fault. */
.macro LOAD_LANES set, quarter, lane, register
  mov LANES_AT + LANES_SIZE * \set + 8 * \lane(%rdi), %r9
  vmovdqu 16 * \quarter(%r9, %rax), %xmm\register
  .if \quarter == 0
  prefetcht0 AHEAD(%r9, %rax)
  .endif
  mov LANES_AT + LANES_SIZE * \set + 8 * \lane + 32(%rdi), %r9
  .if \quarter == 0
  prefetcht0 AHEAD(%r9, %rax)
  .endif
  vinserti128 $1, 16 * \quarter(%r9, %rax), %ymm\register, %ymm\register
.endm

/* Message words 4 quarter to 4 quarter + 3 of eight lanes. */
.macro TRANSPOSE_QUARTER set, quarter
  LOAD_LANES \set, \quarter, 0, 0
  LOAD_LANES \set, \quarter, 1, 1
  vpunpckhdq %ymm1, %ymm0, %ymm14
  vpunpckldq %ymm1, %ymm0, %ymm0
  vmovdqa %ymm14, LENT(%rsp)
  LOAD_LANES \set, \quarter, 2, 14
  LOAD_LANES \set, \quarter, 3, 15
  vpunpckldq %ymm15, %ymm14, %ymm1
  vpunpckhdq %ymm15, %ymm14, %ymm14
  vpunpcklqdq %ymm1, %ymm0, %ymm15
  vpunpckhqdq %ymm1, %ymm0, %ymm0
  vmovdqa LENT(%rsp), %ymm1
  vmovdqa %ymm15, WORDS(set, 4 * \quarter)
  vmovdqa %ymm0, WORDS(set, 4 * \quarter + 1)
  vpunpcklqdq %ymm14, %ymm1, %ymm15
  vpunpckhqdq %ymm14, %ymm1, %ymm1
  vmovdqa %ymm15, WORDS(set, 4 * \quarter + 2)
  vmovdqa %ymm1, WORDS(set, 4 * \quarter + 3)
.endm

.macro COPY from, set, word
  vmovdqa \from, %ymm0
  vmovdqa %ymm0, STATE(set, word)
.endm

/* The second half of the state before the first round. */
.macro INITIAL_STATE set
  COPY as_x86_iv_lanes(%rip), \set, 8
  COPY "as_x86_iv_lanes + 32(%rip)", \set, 9
  COPY "as_x86_iv_lanes + 64(%rip)", \set, 10
  COPY "as_x86_iv_lanes + 96(%rip)", \set, 11
  COPY "LANES_COUNTER_LOW + LANES_SIZE * \set(%rdi)", \set, 12
  COPY "LANES_COUNTER_HIGH + LANES_SIZE * \set(%rdi)", \set, 13
  COPY "LANES_BLOCK_SIZE + LANES_SIZE * \set(%rdi)", \set, 14
  COPY "FLAGS_SIZE * \set(%rdx)", \set, 15
.endm

/* Mixing `number` of the round (BLAKE3 paper, section 2.2) in eight lanes, of state words a, b, c, d. c lends its
 * register to the first rotation by shifts: it is the one needed again last. */
.macro MIX set, number, a, b, c, d
  movzwl 4 * \number(%r11), %r9d
  vmovdqa STATE(set, a), %ymm0
  vpaddd 512 * \set(%rsp, %r9), %ymm0, %ymm0
  vmovdqa STATE(set, b), %ymm1
  vpaddd %ymm1, %ymm0, %ymm0
  vpxor STATE(set, d), %ymm0, %ymm15
  vpshufb as_x86_rotate16(%rip), %ymm15, %ymm15
  vpaddd STATE(set, c), %ymm15, %ymm14
  vpxor %ymm14, %ymm1, %ymm1
  vmovdqa %ymm14, LENT(%rsp)
  movzwl 4 * \number + 2(%r11), %r9d
  vpaddd 512 * \set(%rsp, %r9), %ymm0, %ymm0
  vpsrld $12, %ymm1, %ymm14
  vpslld $20, %ymm1, %ymm1
  vpor %ymm14, %ymm1, %ymm1
  vpaddd %ymm1, %ymm0, %ymm0
  vmovdqa %ymm0, STATE(set, a)
  vpxor %ymm15, %ymm0, %ymm15
  vpshufb as_x86_rotate8(%rip), %ymm15, %ymm15
  vpaddd LENT(%rsp), %ymm15, %ymm14
  vmovdqa %ymm15, STATE(set, d)
  vmovdqa %ymm14, STATE(set, c)
  vpxor %ymm14, %ymm1, %ymm1
  vpsrld $7, %ymm1, %ymm15
  vpslld $25, %ymm1, %ymm1
  vpor %ymm15, %ymm1, %ymm1
  vmovdqa %ymm1, STATE(set, b)
.endm

/* The chaining values after the last round. */
.macro FINISH set
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa LANES_STATE + LANES_SIZE * \set + 32 * \i(%rdi), %ymm0
  vpxor LANES_STATE + LANES_SIZE * \set + 32 * (\i + 8)(%rdi), %ymm0, %ymm0
  vmovdqa %ymm0, LANES_STATE + LANES_SIZE * \set + 32 * \i(%rdi)
  .endr
.endm

/* A unit is SHA-256's share and a macro of BLAKE3 with its arguments. SHA-256 for the whole burst goes first. */
.macro UNIT sha, unit, blake3:vararg
  .if (\unit) % AS_BURST == 0
  \sha \unit
  .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  .if \n < AS_BURST
  \sha (\unit + \n)
  .endif
  .endr
  .endif
  \blake3
  .if (\unit + 1) % AS_BURST == 0
  vzeroupper
  .endif
.endm

/* The units of the two initial states come last: the message needs longer to be ready. */
.macro PREPARE sha
  UNIT \sha, 0, TRANSPOSE_QUARTER 0, 0
  UNIT \sha, 1
  UNIT \sha, 2, TRANSPOSE_QUARTER 0, 1
  UNIT \sha, 3
  UNIT \sha, 4, TRANSPOSE_QUARTER 0, 2
  UNIT \sha, 5
  UNIT \sha, 6, TRANSPOSE_QUARTER 0, 3
  UNIT \sha, 7, INITIAL_STATE 0
  UNIT \sha, 8, TRANSPOSE_QUARTER 1, 0
  UNIT \sha, 9
  UNIT \sha, 10, TRANSPOSE_QUARTER 1, 1
  UNIT \sha, 11
  UNIT \sha, 12, TRANSPOSE_QUARTER 1, 2
  UNIT \sha, 13
  UNIT \sha, 14, TRANSPOSE_QUARTER 1, 3
  UNIT \sha, 15, INITIAL_STATE 1
.endm

.macro ROUND sha
  UNIT \sha, 0, MIX 0, 0, 0, 4, 8, 12
  UNIT \sha, 1, MIX 0, 1, 1, 5, 9, 13
  UNIT \sha, 2, MIX 0, 2, 2, 6, 10, 14
  UNIT \sha, 3, MIX 0, 3, 3, 7, 11, 15
  UNIT \sha, 4, MIX 1, 0, 0, 4, 8, 12
  UNIT \sha, 5, MIX 1, 1, 1, 5, 9, 13
  UNIT \sha, 6, MIX 1, 2, 2, 6, 10, 14
  UNIT \sha, 7, MIX 1, 3, 3, 7, 11, 15
  UNIT \sha, 8, MIX 0, 4, 0, 5, 10, 15
  UNIT \sha, 9, MIX 0, 5, 1, 6, 11, 12
  UNIT \sha, 10, MIX 0, 6, 2, 7, 8, 13
  UNIT \sha, 11, MIX 0, 7, 3, 4, 9, 14
  UNIT \sha, 12, MIX 1, 4, 0, 5, 10, 15
  UNIT \sha, 13, MIX 1, 5, 1, 6, 11, 12
  UNIT \sha, 14, MIX 1, 6, 2, 7, 8, 13
  UNIT \sha, 15, MIX 1, 7, 3, 4, 9, 14
.endm

/* All steps. */
.macro STEPS sha
  .p2align 5
1:
  PREPARE \sha
  lea schedule(%rip), %r11
  .p2align 5
2:
  ROUND \sha
  lea schedule_end(%rip), %r9
  add $32, %r11
  cmp %r9, %r11
  jne 2b
  FINISH 0
  FINISH 1
  vzeroupper
  add $32, %rdx
  add $64, %rax
  cmp %rsi, %rax
  jne 1b
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  add %rsi, LANES_AT + 8 * \i(%rdi)
  add %rsi, LANES_AT + LANES_SIZE + 8 * \i(%rdi)
  .endr
.endm

/* Unit u of a turn comes with quads 2u and 2u + 1 of the two blocks of the only message. */
.macro ONE_QUAD quad
  .if (\quad) % 16 == 0
  SHA_BEGIN_BLOCK %rcx, SAVED, 2, 3, 4, 5, 6, 7
  .endif
  SHA_QUAD ((\quad) % 16), 2, 3, 4, 5, 6, 7
  .if (\quad) % 16 == 15
  SHA_END_BLOCK SAVED, 2, 3
  .endif
.endm

.macro ONE_MESSAGE unit
  ONE_QUAD (2 * \unit)
  ONE_QUAD (2 * \unit + 1)
.endm

/* Unit u of a turn comes with quad u of a block of each message. */
.macro TWO_MESSAGES unit
  .if (\unit) == 0
  SHA_BEGIN_BLOCK %rcx, SAVED, 2, 3, 4, 5, 6, 7
  SHA_BEGIN_BLOCK %r8, (SAVED + 32), 8, 9, 10, 11, 12, 13
  .endif
  SHA_QUAD \unit, 2, 3, 4, 5, 6, 7
  SHA_QUAD \unit, 8, 9, 10, 11, 12, 13
  .if (\unit) == 15
  SHA_END_BLOCK SAVED, 2, 3
  SHA_END_BLOCK (SAVED + 32), 8, 9
  .endif
.endm

/*
 * void as_dual_steps_avx2_shani(as_blake3_lanes lanes[2], size_t steps, const as_chunk_flags flags[2],
 *                               uint32_t sha256_state[8], const uint8_t *blocks)
 * At least one step.
 */
FUNCTION as_dual_steps_avx2_shani
  ENTER_FRAME FRAME
  mov %rcx, %r10
  mov %r8, %rcx
  SHA_LOAD_STATE %r10, 2, 3
  xor %eax, %eax
  shl $6, %rsi
  .set AHEAD, 16384 /* both sets of lanes lie in one group */
  STEPS ONE_MESSAGE
  SHA_STORE_STATE %r10, 2, 3
  LEAVE_FRAME
  ret
END_FUNCTION as_dual_steps_avx2_shani

/*
 * void as_dual2_steps_avx2_shani(as_blake3_lanes lanes[2], size_t steps, const as_chunk_flags flags[2],
 *                                as_sha256_pair *pair)
 * At least one step.
 */
FUNCTION as_dual2_steps_avx2_shani
  ENTER_FRAME FRAME
  mov %rcx, %r10
  mov (%r10), %r9
  SHA_LOAD_STATE %r9, 2, 3
  mov 8(%r10), %r9
  SHA_LOAD_STATE %r9, 8, 9
  mov 16(%r10), %rcx
  mov 24(%r10), %r8
  xor %eax, %eax
  shl $6, %rsi
  .set AHEAD, 8192 /* each set of lanes lies in half a group */
  STEPS TWO_MESSAGES
  mov %rcx, 16(%r10)
  mov %r8, 24(%r10)
  mov (%r10), %r9
  SHA_STORE_STATE %r9, 2, 3
  mov 8(%r10), %r9
  SHA_STORE_STATE %r9, 8, 9
  LEAVE_FRAME
  ret
END_FUNCTION as_dual2_steps_avx2_shani

  .section .note.GNU-stack, "", %progbits
#endif
