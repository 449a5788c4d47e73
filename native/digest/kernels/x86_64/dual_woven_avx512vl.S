/*
 * Both hashes of streams for cores whose vector units are 256 bits wide, as Zen 4's are: sha256rnds2 woven singly into
 * BLAKE3 of eight chunks and SHA-256's message schedule of eight blocks, in 256-bit registers.
 *
 * What dual_avx512_shani.S says of chains and schedules holds here too, and the streams are laid out as there. Measured
 * on Zen 4: four vector operations of 256 bits can start in a cycle, two of them rotations; sha256rnds2 has a latency of
 * four cycles and several chains do not hinder each other. An operation of 512 bits keeps its unit for two cycles, and
 * one that a sha256rnds2 then waits for costs the chain time that no later one gives back. Two chains with 384 additions
 * or 192 rotations of 256 bits between them take as long as alone; with half as many of 512 bits they do not. Legacy
 * encoded instructions cost nothing beside wide ones there, so the registers below 16 are used too, and no vzeroupper
 * stands between.
 *
 * A step takes one block of each of the sixteen chunks of a stream for BLAKE3, sixteen blocks of SHA-256 whose schedule
 * is ready, and schedules the sixteen blocks after them, in two passes of eight lanes. A pass is 32 units: four that
 * load BLAKE3's message, and 28 of a quarter of a round of BLAKE3, four of them woven with a quarter of SHA-256's next
 * blocks, 24 with two words of their schedule. A unit has eight gaps with a sha256rnds2 in each.
 */
#if defined(__ELF__)
#include "function.inc"
#include "sha256_shani.inc"
#include "wide.inc"
#define VEC %ymm
#define ROW 32
#include "dual_groups.inc"

/* The frame: BLAKE3's message, and the last sixteen words of SHA-256's schedule. Rows of 32 bytes. */
  .set WORDS, 0
  .set RING, 512
  .set FRAME, 1024

/*
 * rdi streams            r12 the stream of the present pass       r11 32 times the pass: where its lanes are in a row
 * rsi its next blocks for BLAKE3, a chunk apart         rdx its next 512 bytes for SHA-256
 * rcx where the schedule of these goes                  r9 the pass's lanes in the rows of its stream
 * r10 schedule of the present block of the first stream, rbx of the second
 * r13 step               r14 flags of the mode          r15 flags of this step          rax temporary
 * xmm0 two words         xmm2, xmm3 state of the first stream, xmm4, xmm5 the same before the block
 *                        xmm6, xmm7 state of the second, xmm8, xmm9 before the block     xmm1 temporary at the ends
 * ymm10-13 temporaries of the schedule                  ymm14, 15 its last word at an even and at an odd place
 * ymm16-31 BLAKE3
 * All functions clobber: rax, rcx, rdx, rsi, r8-r11, zmm0-31, flags.
 */

/* ---- rounds of SHA-256 ---- */

/* Two rounds of a chain, pair `pair` of the block whose schedule is at `words`. */
.macro TWO_ROUNDS pair, words, abef, cdgh
  vmovq 128 * (\pair)(%\words), %xmm0
  .if (\pair) % 2 == 0
  sha256rnds2 %xmm\abef, %xmm\cdgh
  .else
  sha256rnds2 %xmm\cdgh, %xmm\abef
  .endif
.endm

/* The next two rounds: of the only chain, or of one chain and then of the other. */
.macro NEXT_ROUNDS
  .if chains == 1
  .if next_round == 0
  BEGIN_BLOCK 2, 3, 4, 5
  .endif
  TWO_ROUNDS (next_round), r10, 2, 3
  .if next_round == 31
  END_BLOCK r10, 2, 3, 4, 5
  .endif
  .elseif next_round % 2 == 0
  .if next_round == 0
  BEGIN_BLOCK 2, 3, 4, 5
  BEGIN_BLOCK 6, 7, 8, 9
  .endif
  TWO_ROUNDS (next_round / 2), r10, 2, 3
  .else
  TWO_ROUNDS (next_round / 2), rbx, 6, 7
  .if next_round == 63
  END_BLOCK r10, 2, 3, 4, 5
  END_BLOCK rbx, 6, 7, 8, 9
  .endif
  .endif
  .set next_round, (next_round + 1) % (32 * chains)
.endm

/* ---- the schedule of SHA-256, in eight slices for the gaps of a unit ---- */

/* Four words of two blocks, bytes swapped. Lane 4k + i is part k of row i; rows 0 and 1 are given the even and the odd
 * ones of blocks 0 to 3, rows 2 and 3 those of 4 to 7: so a pair of words, interleaved, comes out in the order of the
 * blocks. */
.macro LOAD_BLOCKS quarter, first, to
  vmovdqu 64 * \first + 16 * (\quarter)(%rdx), %xmm\to
  vinserti128 $1, 64 * (\first + 2) + 16 * (\quarter)(%rdx), %ymm\to, %ymm\to
  vpshufb as_x86_swap_words(%rip), %ymm\to, %ymm\to
.endm

/* Words + constants of rounds 2 pair and 2 pair + 1 side by side, blocks 0 to 3 and 4 to 7. */
.macro STORE_PAIR pair, even, odd, t0, t1
  vpunpckldq %ymm\odd, %ymm\even, %ymm\t0
  vpunpckhdq %ymm\odd, %ymm\even, %ymm\t1
  vmovdqa %ymm\t0, 128 * (\pair)(%rcx)
  vmovdqa %ymm\t1, 128 * (\pair) + 32(%rcx)
.endm

.macro ADD_CONSTANT round, word, to
  vpaddd as_x86_sha256_k + 4 * (\round)(%rip){1to8}, %ymm\word, %ymm\to
.endm

/* The first sixteen words, a quarter at a time. Its last two words stay in ymm14 and ymm15. */
.macro LOAD_SLICE quarter, slice
  .if \slice == 0
  LOAD_BLOCKS \quarter, 0, 10
  LOAD_BLOCKS \quarter, 1, 11
  .elseif \slice == 1
  vpunpckldq %ymm11, %ymm10, %ymm12
  vpunpckhdq %ymm11, %ymm10, %ymm13
  LOAD_BLOCKS \quarter, 4, 10
  .elseif \slice == 2
  LOAD_BLOCKS \quarter, 5, 11
  vpunpckldq %ymm11, %ymm10, %ymm14
  vpunpckhdq %ymm11, %ymm10, %ymm15
  .elseif \slice == 3
  vpunpcklqdq %ymm14, %ymm12, %ymm10
  vpunpckhqdq %ymm14, %ymm12, %ymm11
  vpunpcklqdq %ymm15, %ymm13, %ymm14
  vpunpckhqdq %ymm15, %ymm13, %ymm15
  .elseif \slice == 4
  vmovdqa %ymm10, RING + ROW * (4 * (\quarter))(%rsp)
  vmovdqa %ymm11, RING + ROW * (4 * (\quarter) + 1)(%rsp)
  vmovdqa %ymm14, RING + ROW * (4 * (\quarter) + 2)(%rsp)
  vmovdqa %ymm15, RING + ROW * (4 * (\quarter) + 3)(%rsp)
  .elseif \slice == 5
  ADD_CONSTANT (4 * (\quarter)), 10, 12
  ADD_CONSTANT (4 * (\quarter) + 1), 11, 13
  STORE_PAIR (2 * (\quarter)), 12, 13, 10, 11
  .elseif \slice == 6
  ADD_CONSTANT (4 * (\quarter) + 2), 14, 12
  ADD_CONSTANT (4 * (\quarter) + 3), 15, 13
  STORE_PAIR (2 * (\quarter) + 1), 12, 13, 10, 11
  .endif
.endm

/* The word of round k >= 16 (FIPS 180-4, section 6.2.2, step 1) into `last`, which holds the one of round k - 2, and
 * into the ring in place of that of round k - 16. Slices 0 to 3. */
.macro GROW_SLICE k, last, slice
  .if \slice == 0
  vmovdqa RING + ROW * (((\k) + 1) % 16)(%rsp), %ymm13
  vprord $17, %ymm\last, %ymm10
  vprord $19, %ymm\last, %ymm11
  vpsrld $10, %ymm\last, %ymm\last
  .elseif \slice == 1
  vpxor %ymm10, %ymm\last, %ymm\last
  vprord $7, %ymm13, %ymm12
  vprord $18, %ymm13, %ymm10
  vpxor %ymm11, %ymm\last, %ymm\last
  .elseif \slice == 2
  vpsrld $3, %ymm13, %ymm13
  vpxor %ymm12, %ymm10, %ymm10
  vpaddd RING + ROW * ((\k) % 16)(%rsp), %ymm\last, %ymm\last
  vpxor %ymm10, %ymm13, %ymm13
  .else
  vpaddd RING + ROW * (((\k) + 9) % 16)(%rsp), %ymm\last, %ymm\last
  vpaddd %ymm13, %ymm\last, %ymm\last
  vmovdqa %ymm\last, RING + ROW * ((\k) % 16)(%rsp)
  .endif
.endm

/* Words k and k + 1 and their pair. */
.macro GROW_TWO_SLICE k, slice
  .if \slice < 4
  GROW_SLICE \k, 14, \slice
  .else
  GROW_SLICE ((\k) + 1), 15, (\slice - 4)
  .endif
  .if \slice == 7
  ADD_CONSTANT \k, 14, 10
  ADD_CONSTANT ((\k) + 1), 15, 11
  STORE_PAIR ((\k) / 2), 10, 11, 12, 13
  .endif
.endm

/* Slice `slice` of unit `unit` of the 28 that have BLAKE3's rounds: the message of SHA-256 first, because its schedule
 * grows from it. */
.macro SCHEDULE_SLICE unit, slice
  .if \unit < 4
  LOAD_SLICE \unit, \slice
  .else
  GROW_TWO_SLICE (16 + 2 * (\unit - 4)), \slice
  .endif
.endm

/* ---- BLAKE3 ---- */

.macro GAP
  NEXT_ROUNDS
  .altmacro
  SCHEDULE_SLICE %unit, %slice
  .noaltmacro
  .set slice, slice + 1
.endm

#include "blake3_pieces.inc"

/* Four words of chunks first and first + 4. Eight chunks are more places than the core prefetches by itself, so half of
 * the loads fetch a line that the next group will need, into the second-level cache: the first would lose it again
 * before then. Beyond the input this does nothing. */
.macro LOAD_CHUNKS quarter, first, to
  vmovdqu32 1024 * \first + 16 * \quarter(%rsi), %xmm\to
  vinserti32x4 $1, 1024 * (\first + 4) + 16 * \quarter(%rsi), %ymm\to, %ymm\to
  .if \quarter < 2
  prefetcht1 16384 + 1024 * (\first + 4 * \quarter)(%rsi)
  .endif
.endm

/* A unit that loads four words of BLAKE3's message. */
.macro LOAD_QUARTER quarter
  NEXT_ROUNDS
  LOAD_CHUNKS \quarter, 0, 16
  NEXT_ROUNDS
  LOAD_CHUNKS \quarter, 1, 17
  NEXT_ROUNDS
  LOAD_CHUNKS \quarter, 2, 18
  NEXT_ROUNDS
  LOAD_CHUNKS \quarter, 3, 19
  NEXT_ROUNDS
  vpunpckldq %ymm17, %ymm16, %ymm20
  vpunpckhdq %ymm17, %ymm16, %ymm21
  vpunpckldq %ymm19, %ymm18, %ymm22
  vpunpckhdq %ymm19, %ymm18, %ymm23
  NEXT_ROUNDS
  vpunpcklqdq %ymm22, %ymm20, %ymm16
  vpunpckhqdq %ymm22, %ymm20, %ymm17
  vpunpcklqdq %ymm23, %ymm21, %ymm18
  vpunpckhqdq %ymm23, %ymm21, %ymm19
  NEXT_ROUNDS
  vmovdqa32 %ymm16, WORDS + ROW * (4 * \quarter)(%rsp)
  vmovdqa32 %ymm17, WORDS + ROW * (4 * \quarter + 1)(%rsp)
  NEXT_ROUNDS
  vmovdqa32 %ymm18, WORDS + ROW * (4 * \quarter + 2)(%rsp)
  vmovdqa32 %ymm19, WORDS + ROW * (4 * \quarter + 3)(%rsp)
.endm

/* ---- passes ---- */

/* Pieces 2 unit and 2 unit + 1 of BLAKE3 have seven gaps. */
.macro MIX_UNIT
  .set slice, 0
  BLAKE3_PIECE (2 * unit), 16, WORDS, rsp
  BLAKE3_PIECE (2 * unit + 1), 16, WORDS, rsp
  GAP
  .set unit, unit + 1
.endm

.macro PASS
  .set next_round, 0
  LOAD_QUARTER 0
  LOAD_QUARTER 1
  LOAD_QUARTER 2
  LOAD_QUARTER 3
  BEGIN_BLAKE3 r9
  .set unit, 0
  .rept 28
  MIX_UNIT
  .endr
  FINISH_BLAKE3 r9
.endm

/* The places of this pass's half of the lanes. */
.macro AIM_PASS
  AIM
  lea (%r12, %r11), %r9
  lea (%rcx, %r11, 2), %rcx
  mov %r11, %rax
  shl $4, %rax                 /* in the second, blocks 8 to 15: 512 bytes on */
  add %rax, %rdx
  shl $4, %rax                 /* and chunks 8 to 15: 8 KiB on */
  add %rax, %rsi
.endm

/*
 * void as_dual_group_avx512vl(as_wide_stream *stream, const uint32_t key[8], uint32_t flags)
 */
FUNCTION as_dual_group_avx512vl
  .set chains, 1
  BEGIN_GROUPS 1, FRAME
  mov %rdi, %r12
  .p2align 5
1:
  AIM_ROUNDS 1
  xor %r11d, %r11d
2:
  AIM_PASS
  PASS
  xor $32, %r11
  jnz 2b
  inc %r13d
  cmp $STEPS, %r13d
  jne 1b
  END_GROUPS 1
END_FUNCTION as_dual_group_avx512vl

/*
 * void as_dual2_group_avx512vl(as_wide_stream streams[2], const uint32_t key[8], uint32_t flags)
 */
FUNCTION as_dual2_group_avx512vl
  .set chains, 2
  BEGIN_GROUPS 2, FRAME
  .p2align 5
1:
  AIM_ROUNDS 2
  mov %rdi, %r12
  xor %r11d, %r11d
2:
  AIM_PASS
  PASS
  xor $32, %r11
  jnz 2b
  lea STREAM_SIZE(%rdi), %rax
  cmp %rax, %r12
  mov %rax, %r12
  jne 2b
  inc %r13d
  cmp $STEPS, %r13d
  jne 1b
  END_GROUPS 2
END_FUNCTION as_dual2_group_avx512vl

  .section .note.GNU-stack, "", %progbits
#endif
