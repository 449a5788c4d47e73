/*
 * Both hashes of streams, stitched: BLAKE3 of sixteen chunks in AVX-512 and SHA-256's message schedule fill the time in
 * which sha256rnds2 waits for its own result.
 *
 * sha256rnds2 has a latency of 4 cycles on Ice Lake, and 32 of them are a chain: 128 cycles a block is the floor for
 * one stream. The instructions that help with the schedule, sha256msg1 and sha256msg2, are dear there. Here they are
 * left out. The schedule of sixteen blocks is computed in sixteen lanes and stored with the constants added, the words
 * of two rounds side by side, so that a sha256rnds2 needs one load of eight bytes and nothing else.
 *
 * A step takes one block of each of the sixteen chunks for BLAKE3, sixteen blocks of SHA-256 whose schedule is ready,
 * and schedules the sixteen blocks after them into the other of two buffers. Its vector work is 64 units of about equal
 * size:
 *
 *   4 transposes of BLAKE3's message, 7 times 4 half mixings;
 *   8 transposes of SHA-256's next blocks, 24 times two words of their schedule.
 *
 * Eight units are a segment; repeated segments are loops, so that all of a step fits into the cache of decoded
 * instructions. Of one stream the rounds stand in front of each unit, eight sha256rnds2, so that four units are a block.
 * Of two streams, whose chains fill each other's gaps, all rounds of a block of each stand in front of a segment, and a
 * step does the vector work of one stream after that of the other: on Zen 5 two chains alone keep the unit of
 * sha256rnds2 busy, each instruction between them that goes to the same pipe costs them a cycle, and bursts of rounds
 * were found to send fewer of them there than rounds spread evenly.
 *
 * For the same reason words are rotated by whole bytes with vpshufb, which other pipes do, and three words are xored by
 * two vpxord where one vpternlogd would do, which reads three registers as sha256rnds2 does.
 *
 * The vector work has zmm16-31 to itself; the SHA instructions are legacy encoded and know xmm0-15 only. On Intel a SHA
 * instruction that follows wide code is slower until a vzeroupper, which leaves zmm16-31 alone: rounds begin with one.
 */
#if defined(__ELF__)
#include "function.inc"
#include "sha256_shani.inc"
#include "wide.inc"
#define VEC %zmm
#include "dual_groups.inc"

/* The frame: BLAKE3's message, and the last sixteen words of SHA-256's schedule. Rows of 64 bytes. */
  .set WORDS, 0
  .set RING, 1024
  .set FRAME, 2048

/*
 * rdi streams            r12 the stream of the present vector work
 * rsi its next blocks for BLAKE3, a chunk apart         rdx its next KiB for SHA-256
 * rcx where the schedule of that KiB goes               r8 constants of these words
 * r10 schedule of the present block of the first stream, rbx of the second
 * r11 order of the message words of this round          r9 place of a message word; temporary, as is rax
 * r13 step               r14 flags of the mode          r15 flags of this step
 * xmm0 two words         xmm2, xmm3 state of the first stream, xmm4, xmm5 the same before the block
 *                        xmm6, xmm7 state of the second, xmm8, xmm9 before the block     xmm1 temporary at the ends
 * zmm16-31 vector work
 * All functions clobber: rax, rcx, rdx, rsi, r8-r11, zmm0-31, flags.
 */

/* Where message words lie in the frame, in the order in which each round takes them: the permutation of table 2 of the
 * BLAKE3 paper, applied again every round. */
  .section .rodata
  .p2align 6
order:
.macro ORDER words:vararg
  .irp word, \words
  .short WORDS + 64 * \word
  .endr
.endm
  ORDER 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  ORDER 2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8
  ORDER 3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1
  ORDER 10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6
  ORDER 12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4
  ORDER 9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7
  ORDER 11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13
order_end:

/* ---- rounds of SHA-256 ---- */

/* Two times two rounds of a chain, pairs `pair` and `pair` + 1 of the block whose schedule is at `words`. */
.macro FOUR_ROUNDS pair, words, abef, cdgh
  vmovq 128 * (\pair)(\words), %xmm0
  sha256rnds2 %xmm\abef, %xmm\cdgh
  vmovq 128 * ((\pair) + 1)(\words), %xmm0
  sha256rnds2 %xmm\cdgh, %xmm\abef
.endm

/* What stands before unit 0 to 7 of a segment: of one stream, of two, or nothing. */
.macro ONE_STREAM unit
  vzeroupper
  .if (\unit) % 4 == 0
  BEGIN_BLOCK 2, 3, 4, 5
  .endif
  .irp n, 0, 2, 4, 6
  FOUR_ROUNDS (8 * ((\unit) % 4) + \n), %r10, 2, 3
  .endr
  .if (\unit) % 4 == 3
  END_BLOCK r10, 2, 3, 4, 5
  .endif
.endm

.macro TWO_STREAMS unit
  .if (\unit) == 0
  vzeroupper
  BEGIN_BLOCK 2, 3, 4, 5
  BEGIN_BLOCK 6, 7, 8, 9
  .irp n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
  vmovq 128 * \n(%r10), %xmm0
  sha256rnds2 %xmm2, %xmm3
  vmovq 128 * \n(%rbx), %xmm0
  sha256rnds2 %xmm6, %xmm7
  vmovq 128 * (\n + 1)(%r10), %xmm0
  sha256rnds2 %xmm3, %xmm2
  vmovq 128 * (\n + 1)(%rbx), %xmm0
  sha256rnds2 %xmm7, %xmm6
  .endr
  END_BLOCK r10, 2, 3, 4, 5
  END_BLOCK rbx, 6, 7, 8, 9
  .endif
.endm

.macro NO_STREAM unit
.endm

/* ---- BLAKE3 ---- */

/* Four words of chunks first, first + 4, first + 8 and first + 12. Sixteen chunks are more places than the core
 * prefetches by itself, so each line fetches the one that the next group will need, into the second-level cache.
 * Beyond the input this does nothing. */
.macro LOAD_CHUNKS quarter, first, to
  vmovdqu32 1024 * \first + 16 * \quarter(%rsi), %xmm\to
  vinserti32x4 $1, 1024 * (\first + 4) + 16 * \quarter(%rsi), %zmm\to, %zmm\to
  vinserti32x4 $2, 1024 * (\first + 8) + 16 * \quarter(%rsi), %zmm\to, %zmm\to
  vinserti32x4 $3, 1024 * (\first + 12) + 16 * \quarter(%rsi), %zmm\to, %zmm\to
  prefetcht1 16384 + 1024 * (\first + 4 * \quarter)(%rsi)
.endm

.macro LOAD_QUARTER quarter
  LOAD_CHUNKS \quarter, 0, 16
  LOAD_CHUNKS \quarter, 1, 17
  LOAD_CHUNKS \quarter, 2, 18
  LOAD_CHUNKS \quarter, 3, 19
  TRANSPOSE_BEGIN 16, 17, 18, 19, 20, 21, 22, 23
  TRANSPOSE_END 20, 21, 22, 23, 16, 17, 18, 19
  vmovdqa64 %zmm16, WORDS + 64 * (4 * \quarter)(%rsp)
  vmovdqa64 %zmm17, WORDS + 64 * (4 * \quarter + 1)(%rsp)
  vmovdqa64 %zmm18, WORDS + 64 * (4 * \quarter + 2)(%rsp)
  vmovdqa64 %zmm19, WORDS + 64 * (4 * \quarter + 3)(%rsp)
.endm

.macro LOAD_LAST_QUARTER
  LOAD_QUARTER 3
  BEGIN_BLAKE3 r12
.endm

/* d ^= a, rotated; the same for b and c. Four together, so that none waits for its own result. */
.macro XOR_ROTATE right, from0, from1, from2, from3, to0, to1, to2, to3
  vpxord %zmm\from0, %zmm\to0, %zmm\to0
  vpxord %zmm\from1, %zmm\to1, %zmm\to1
  vpxord %zmm\from2, %zmm\to2, %zmm\to2
  vpxord %zmm\from3, %zmm\to3, %zmm\to3
  .irp to, \to0, \to1, \to2, \to3
  .if \right % 8 == 0
  vpshufb as_x86_rotate\right(%rip), %zmm\to, %zmm\to
  .else
  vprord $\right, %zmm\to, %zmm\to
  .endif
  .endr
.endm

.macro ADD_FOUR from0, from1, from2, from3, to0, to1, to2, to3
  vpaddd %zmm\from0, %zmm\to0, %zmm\to0
  vpaddd %zmm\from1, %zmm\to1, %zmm\to1
  vpaddd %zmm\from2, %zmm\to2, %zmm\to2
  vpaddd %zmm\from3, %zmm\to3, %zmm\to3
.endm

/* Half of four independent mixings (BLAKE3 paper, section 2.2), whose message words are numbers `entry`, `entry` + 2, +
 * 4 and + 6 of the round's order. */
.macro HALF_MIX right1, right2, entry, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3
  .irp a, 6, 7, 8, 9
  movzwl 2 * (\entry + 2 * (\a - 6))(%r11), %r9d
  vpaddd (%rsp, %r9), %zmm1\a, %zmm1\a
  .endr
  ADD_FOUR \b0, \b1, \b2, \b3, 16, 17, 18, 19
  XOR_ROTATE \right1, 16, 17, 18, 19, \d0, \d1, \d2, \d3
  ADD_FOUR \d0, \d1, \d2, \d3, \c0, \c1, \c2, \c3
  XOR_ROTATE \right2, \c0, \c1, \c2, \c3, \b0, \b1, \b2, \b3
.endm

/* ---- the schedule of SHA-256 ---- */

/* Four words of four blocks. Lane 4k + i is part k of row i; rows 0 and 1 are given the even and the odd ones of blocks
 * 0 to 7, rows 2 and 3 those of 8 to 15: so a pair of words, interleaved, comes out in the order of the blocks. */
.macro LOAD_BLOCKS quarter, first, to
  vmovdqu32 64 * \first + 16 * \quarter(%rdx), %xmm\to
  vinserti32x4 $1, 64 * (\first + 2) + 16 * \quarter(%rdx), %zmm\to, %zmm\to
  vinserti32x4 $2, 64 * (\first + 4) + 16 * \quarter(%rdx), %zmm\to, %zmm\to
  vinserti32x4 $3, 64 * (\first + 6) + 16 * \quarter(%rdx), %zmm\to, %zmm\to
  vpshufb as_x86_swap_words(%rip), %zmm\to, %zmm\to
.endm

.macro LOAD_WORDS quarter
  LOAD_BLOCKS \quarter, 0, 16
  LOAD_BLOCKS \quarter, 1, 17
  LOAD_BLOCKS \quarter, 8, 18
  LOAD_BLOCKS \quarter, 9, 19
  TRANSPOSE_BEGIN 16, 17, 18, 19, 20, 21, 22, 23
.endm

/* Words + constants of rounds `pair` and `pair` + 1 side by side, blocks 0 to 7 and 8 to 15. */
.macro STORE_PAIR offset, even, odd, t0, t1
  vpunpckldq %zmm\odd, %zmm\even, %zmm\t0
  vpunpckhdq %zmm\odd, %zmm\even, %zmm\t1
  vmovdqa64 %zmm\t0, \offset(%rcx)
  vmovdqa64 %zmm\t1, \offset + 64(%rcx)
.endm

/* Leaves the quarter's last two words in zmm30 and zmm31, where GROW looks for them. */
.macro STORE_WORDS quarter
  TRANSPOSE_END 20, 21, 22, 23, 28, 29, 30, 31
  vmovdqa64 %zmm28, RING + 64 * (4 * \quarter)(%rsp)
  vmovdqa64 %zmm29, RING + 64 * (4 * \quarter + 1)(%rsp)
  vmovdqa64 %zmm30, RING + 64 * (4 * \quarter + 2)(%rsp)
  vmovdqa64 %zmm31, RING + 64 * (4 * \quarter + 3)(%rsp)
  vpaddd as_x86_sha256_k + 4 * (4 * \quarter)(%rip){1to16}, %zmm28, %zmm16
  vpaddd as_x86_sha256_k + 4 * (4 * \quarter + 1)(%rip){1to16}, %zmm29, %zmm17
  vpaddd as_x86_sha256_k + 4 * (4 * \quarter + 2)(%rip){1to16}, %zmm30, %zmm18
  vpaddd as_x86_sha256_k + 4 * (4 * \quarter + 3)(%rip){1to16}, %zmm31, %zmm19
  STORE_PAIR (128 * (2 * \quarter)), 16, 17, 20, 21
  STORE_PAIR (128 * (2 * \quarter + 1)), 18, 19, 22, 23
.endm

/* SHA-256's small sigma (FIPS 180-4, section 4.1.2) of w: rotations by n1 and n2 and a shift by n3. w may be `to`. */
.macro SMALL_SIGMA n1, n2, n3, w, to, t1, t2
  vprord $\n1, %zmm\w, %zmm\t1
  vprord $\n2, %zmm\w, %zmm\t2
  vpsrld $\n3, %zmm\w, %zmm\to
  vpxord %zmm\t1, %zmm\to, %zmm\to
  vpxord %zmm\t2, %zmm\to, %zmm\to
.endm

/* The next two words (FIPS 180-4, section 6.2.2, step 1), which replace those of sixteen rounds before in places `at`
 * and `at` + 1 of the ring. zmm30 and zmm31 are the two before them and become these. The two are independent of each
 * other but for the memory they share. */
.macro GROW at
  vmovdqa64 RING + 64 * ((\at + 1) % 16)(%rsp), %zmm16
  vmovdqa64 RING + 64 * ((\at + 2) % 16)(%rsp), %zmm17
  SMALL_SIGMA 17, 19, 10, 30, 30, 18, 19
  SMALL_SIGMA 17, 19, 10, 31, 31, 20, 21
  SMALL_SIGMA 7, 18, 3, 16, 22, 23, 24
  SMALL_SIGMA 7, 18, 3, 17, 25, 26, 27
  vpaddd RING + 64 * \at(%rsp), %zmm30, %zmm30
  vpaddd %zmm16, %zmm31, %zmm31
  vpaddd RING + 64 * ((\at + 9) % 16)(%rsp), %zmm30, %zmm30
  vpaddd RING + 64 * ((\at + 10) % 16)(%rsp), %zmm31, %zmm31
  vpaddd %zmm22, %zmm30, %zmm30
  vpaddd %zmm25, %zmm31, %zmm31
  vmovdqa64 %zmm30, RING + 64 * \at(%rsp)
  vmovdqa64 %zmm31, RING + 64 * (\at + 1)(%rsp)
  vpaddd 4 * \at(%r8){1to16}, %zmm30, %zmm18
  vpaddd 4 * (\at + 1)(%r8){1to16}, %zmm31, %zmm19
  STORE_PAIR (64 * \at), 18, 19, 20, 21
.endm

/* ---- segments ---- */

/* A unit is the rounds before it and a macro of vector work with its arguments. */
.macro UNIT chains, unit, work:vararg
  \chains \unit
  \work
.endm

.macro ROUND chains, unit
  UNIT \chains, \unit, HALF_MIX 16, 12, 0, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  UNIT \chains, (\unit + 1), HALF_MIX 8, 7, 1, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
  UNIT \chains, (\unit + 2), HALF_MIX 16, 12, 8, 21, 22, 23, 20, 26, 27, 24, 25, 31, 28, 29, 30
  UNIT \chains, (\unit + 3), HALF_MIX 8, 7, 9, 21, 22, 23, 20, 26, 27, 24, 25, 31, 28, 29, 30
.endm

/* Four segments: a compression of BLAKE3 in sixteen lanes. */
.macro BLAKE3_SEGMENTS chains
  lea order(%rip), %r11
  UNIT \chains, 0, LOAD_QUARTER 0
  UNIT \chains, 1, LOAD_QUARTER 1
  UNIT \chains, 2, LOAD_QUARTER 2
  UNIT \chains, 3, LOAD_LAST_QUARTER
  ROUND \chains, 4
  add $32, %r11
  .p2align 5
3:
  ROUND \chains, 0
  add $32, %r11
  ROUND \chains, 4
  add $32, %r11
  lea order_end(%rip), %r9
  cmp %r9, %r11
  jne 3b
.endm

/* Four segments: the schedule of sixteen blocks of SHA-256. The first unit also ends BLAKE3's compression. */
.macro SCHEDULE_SEGMENTS chains, finish
  UNIT \chains, 0, LOAD_FIRST_WORDS \finish
  UNIT \chains, 1, STORE_WORDS 0
  UNIT \chains, 2, LOAD_WORDS 1
  UNIT \chains, 3, STORE_WORDS 1
  UNIT \chains, 4, LOAD_WORDS 2
  UNIT \chains, 5, STORE_WORDS 2
  UNIT \chains, 6, LOAD_WORDS 3
  UNIT \chains, 7, STORE_WORDS 3
  lea as_x86_sha256_k + 64(%rip), %r8
  .p2align 5
4:
  add $1024, %rcx
  UNIT \chains, 0, GROW 0
  UNIT \chains, 1, GROW 2
  UNIT \chains, 2, GROW 4
  UNIT \chains, 3, GROW 6
  UNIT \chains, 4, GROW 8
  UNIT \chains, 5, GROW 10
  UNIT \chains, 6, GROW 12
  UNIT \chains, 7, GROW 14
  add $64, %r8
  lea as_x86_sha256_k + 256(%rip), %r9
  cmp %r9, %r8
  jne 4b
.endm

.macro LOAD_FIRST_WORDS finish
  .if \finish
  FINISH_BLAKE3 r12
  .endif
  LOAD_WORDS 0
.endm

/*
 * void as_dual_group_avx512_shani(as_wide_stream *stream, const uint32_t key[8], uint32_t flags)
 */
FUNCTION as_dual_group_avx512_shani
  BEGIN_GROUPS 1, FRAME
  mov %rdi, %r12
  .p2align 5
1:
  AIM_ROUNDS 1
  AIM
  BLAKE3_SEGMENTS ONE_STREAM
  SCHEDULE_SEGMENTS ONE_STREAM, 1
  inc %r13d
  cmp $STEPS, %r13d
  jne 1b
  END_GROUPS 1
END_FUNCTION as_dual_group_avx512_shani

/*
 * void as_dual2_group_avx512_shani(as_wide_stream streams[2], const uint32_t key[8], uint32_t flags)
 */
FUNCTION as_dual2_group_avx512_shani
  BEGIN_GROUPS 2, FRAME
  .p2align 5
1:
  AIM_ROUNDS 2
  mov %rdi, %r12
2:
  AIM
  BLAKE3_SEGMENTS TWO_STREAMS
  SCHEDULE_SEGMENTS TWO_STREAMS, 1
  lea STREAM_SIZE(%rdi), %rax
  cmp %rax, %r12
  mov %rax, %r12
  jne 2b
  inc %r13d
  cmp $STEPS, %r13d
  jne 1b
  END_GROUPS 2
END_FUNCTION as_dual2_group_avx512_shani

/*
 * void as_sha256_schedule_avx512(as_wide_stream *stream)
 */
FUNCTION as_sha256_schedule_avx512
  ENTER_FRAME FRAME
  mov STREAM_NEXT(%rdi), %rdx
  lea STREAM_SCHEDULE(%rdi), %rcx
  SCHEDULE_SEGMENTS NO_STREAM, 0
  vzeroupper
  LEAVE_FRAME
  ret
END_FUNCTION as_sha256_schedule_avx512

  .section .note.GNU-stack, "", %progbits
#endif
