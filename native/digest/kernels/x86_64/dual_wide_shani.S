/*
 * Both hashes of sixteen messages side by side for cores whose SHA instructions take several chains at once and whose
 * vector units are 256 bits wide, as Zen 4's: SHA-256's schedule and BLAKE3 in sixteen lanes of AVX-512, SHA-256's
 * rounds in sixteen chains of sha256rnds2.
 *
 * dual_wide_avx512.S has these rounds in lanes too. There they take more vector operations than all the rest, and a
 * sha256rnds2 is a single one for two rounds of a message. What was measured on Zen 4, and why the work stands as it
 * does (more of it in docs/ASSEMBLY-EXPERIMENT.md):
 *
 * - sha256rnds2 has a latency of four cycles and one can start in every cycle, always on the same of the four pipes.
 *   Five or six chains at once leave a little to spare: half a cycle a block less than four.
 * - It is legacy encoded. While any of the registers 0 to 15 has something in its upper 256 bits, it keeps its pipe for
 *   two cycles. So rounds stand only where no zmm but 16 to 31 is used, after a vzeroupper. What is in the upper half
 *   of a ymm costs nothing.
 * - Among such rounds vpternlogd costs two and a half times what it does alone, and two vpxord no more than alone. The
 *   schedule is left without rounds, then: it has vpternlogd and all registers, and keeps all four pipes busy. BLAKE3's
 *   rounds wait for each other, and have gaps; the loads of the next unit have gaps too.
 *
 * The message is transposed once for both. A unit of work is a block of each message of a set: its schedule, then
 * BLAKE3 with most of the rounds, then the loads for the next unit with the others.
 */
#if defined(__ELF__)
#include "function.inc"
#include "wide.inc"
#include "wide_lanes.inc"

/* The frame: BLAKE3's message in rows of 64 bytes, and for each two rounds the words + constants of 16 messages. */
  .set WORDS, 0
  .set SCHEDULE, 1024
  .set FRAME, SCHEDULE + 4096

/* How many of a unit's 512 sha256rnds2 stand in BLAKE3's rounds: with 400 or 512 a block took a cycle more. */
  .set IN_BLAKE3, 456

/*
 * rdi lanes of the present unit, rdx its flags        rbx lanes of the unit that is loaded, rax its offset in them
 * rsi bytes of input to take from each lane           r12 end of all lanes           r13 flags of the first step
 * rcx, r9-r11 inputs
 * xmm0 two words   xmm1-12 up to six chains
 * zmm16-31 what is loaded, then the last sixteen words of the schedule, then BLAKE3's state
 * zmm9-15 temporaries of the schedule; ymm15 of the loads
 * Clobbers: rax, rcx, rdx, rdi, rsi, r9-r11, zmm0-31, flags.
 */

/* ---- rounds of SHA-256 ---- */

.macro LOAD_CHAIN lane, abef, cdgh
  vmovdqa WIDE_SHA256 + 32 * \lane(%rdi), %xmm\abef
  vmovdqa WIDE_SHA256 + 32 * \lane + 16(%rdi), %xmm\cdgh
.endm

.macro END_CHAIN lane, abef, cdgh
  vpaddd WIDE_SHA256 + 32 * \lane(%rdi), %xmm\abef, %xmm\abef
  vpaddd WIDE_SHA256 + 32 * \lane + 16(%rdi), %xmm\cdgh, %xmm\cdgh
  vmovdqa %xmm\abef, WIDE_SHA256 + 32 * \lane(%rdi)
  vmovdqa %xmm\cdgh, WIDE_SHA256 + 32 * \lane + 16(%rdi)
.endm

/* Two rounds of a lane. STORE_PAIR leaves lanes 4k and 4k + 1 in part k of one row, 4k + 2 and 4k + 3 in the next. */
.macro TWO_ROUNDS pair, lane, abef, cdgh
  .if \pair == 0
  LOAD_CHAIN \lane, \abef, \cdgh
  .endif
  vmovq SCHEDULE + 128 * \pair + \lane % 4 / 2 * 64 + \lane / 4 * 16 + \lane % 2 * 8(%rsp), %xmm0
  .if \pair % 2 == 0
  sha256rnds2 %xmm\abef, %xmm\cdgh
  .else
  sha256rnds2 %xmm\cdgh, %xmm\abef
  .endif
  .if \pair == 31
  END_CHAIN \lane, \abef, \cdgh
  .endif
.endm

.macro ROUNDS_OF rounds, chains, first
  .set chain, (\rounds) % \chains
  .altmacro
  TWO_ROUNDS %((\rounds) / \chains), %(\first + chain), %(1 + 2 * chain), %(2 + 2 * chain)
  .noaltmacro
.endm

/* Lanes 0 to 4 go through their block together, then 5 to 9, then 10 to 15. */
.macro NEXT_ROUNDS
  .if next_round < 160
  ROUNDS_OF next_round, 5, 0
  .elseif next_round < 320
  ROUNDS_OF (next_round - 160), 5, 5
  .else
  ROUNDS_OF (next_round - 320), 6, 10
  .endif
  .set next_round, next_round + 1
.endm

/* Until the next SPREAD, the rounds from `from` to before `to`, an even number, stand in `places` GAPs; two and two,
 * which is a third of a cycle a block less than singly. */
.macro SPREAD from, to, places
  .set next_round, \from
  .set rounds, \to - \from
  .set gaps, \places
  .set due, gaps
.endm

.macro GAP
  .set due, due + rounds
  .rept due / (2 * gaps)
  NEXT_ROUNDS
  NEXT_ROUNDS
  .endr
  .set due, due % (2 * gaps)
.endm

/* ---- what is loaded ---- */

/* Four words of four lanes. Two insertions of 128 bits and one of 256 are less work than three of 128 into 512. */
.macro LOAD_ROW quarter, to
  vmovdqu32 16 * \quarter(%rcx, %rax), %xmm\to
  vmovdqu 16 * \quarter(%r10, %rax), %xmm15
  vinserti32x4 $1, 16 * \quarter(%r9, %rax), %ymm\to, %ymm\to
  vinserti128 $1, 16 * \quarter(%r11, %rax), %ymm15, %ymm15
  vinserti64x4 $1, %ymm15, %zmm\to, %zmm\to
  GAP
.endm

/* The block of lanes first, first + 4, first + 8 and first + 12. All of it at once, because the first-level cache may
 * lose it again: the lines of objects of 4 KiB that follow each other all go to one set of it, of eight places. */
.macro LOAD_FOUR_LANES first
  mov WIDE_AT + 8 * \first(%rbx), %rcx
  mov WIDE_AT + 8 * (\first + 4)(%rbx), %r9
  mov WIDE_AT + 8 * (\first + 8)(%rbx), %r10
  mov WIDE_AT + 8 * (\first + 12)(%rbx), %r11
  .irp quarter, 0, 1, 2, 3
  .altmacro
  LOAD_ROW \quarter, %(16 + 4 * \quarter + \first)
  .noaltmacro
  .endr
.endm

/* As much of the block after this as such a set has places for. A block that begins within a line ends in the next. */
.macro FETCH_AHEAD
  .irp lane, 0, 4, 8, 12, 1, 5, 9, 13
  mov WIDE_AT + 8 * \lane(%rbx), %rcx
  prefetcht0 64(%rcx, %rax)
  prefetcht0 127(%rcx, %rax)
  .endr
.endm

  .set ROWS, 16
.macro LOAD_ROWS
  .irp first, 0, 1, 2, 3
  LOAD_FOUR_LANES \first
  .endr
.endm

/* ---- the schedule of SHA-256 ---- */

/* A message word to both hashes: BLAKE3 finds it in memory, SHA-256 in its register. */
.macro GIVE_WORD word, r
  vmovdqa64 %zmm\r, WORDS + 64 * (\word)(%rsp)
  vpshufb %zmm15, %zmm\r, %zmm\r
.endm

.macro ADD_ENDING word, r
  vpxord WIDE_ENDINGS + 64 * \word(%rbx), %zmm\r, %zmm\r
.endm

/* Rows a to d become words. */
.macro TURN_ROWS word, a, b, c, d
  TRANSPOSE_BEGIN \a, \b, \c, \d, 9, 10, 11, 12
  TRANSPOSE_END 9, 10, 11, 12, \a, \b, \c, \d
  GIVE_WORD \word, \a
  GIVE_WORD (\word + 1), \b
  GIVE_WORD (\word + 2), \c
  GIVE_WORD (\word + 3), \d
.endm

/* The word of a round (FIPS 180-4, section 6.2.2, step 1) in place of w16, the one of sixteen rounds before. */
.macro GROW w16, w15, w7, w2
  vprord $7, %zmm\w15, %zmm9
  vprord $18, %zmm\w15, %zmm10
  vpsrld $3, %zmm\w15, %zmm11
  vpaddd %zmm\w7, %zmm\w16, %zmm\w16
  vprord $17, %zmm\w2, %zmm12
  vprord $19, %zmm\w2, %zmm13
  vpsrld $10, %zmm\w2, %zmm14
  vpternlogd $0x96, %zmm9, %zmm10, %zmm11 /* all three xored */
  vpternlogd $0x96, %zmm12, %zmm13, %zmm14
  vpaddd %zmm11, %zmm\w16, %zmm\w16
  vpaddd %zmm14, %zmm\w16, %zmm\w16
.endm

/* Words + constants of two rounds side by side. */
.macro STORE_PAIR pair, even, odd
  vpaddd as_x86_sha256_k + 8 * \pair(%rip){1to16}, %zmm\even, %zmm9
  vpaddd as_x86_sha256_k + 8 * \pair + 4(%rip){1to16}, %zmm\odd, %zmm10
  vpunpckldq %zmm10, %zmm9, %zmm11
  vpunpckhdq %zmm10, %zmm9, %zmm12
  vmovdqa64 %zmm11, SCHEDULE + 128 * \pair(%rsp)
  vmovdqa64 %zmm12, SCHEDULE + 128 * \pair + 64(%rsp)
.endm

.macro SCHEDULE_WORD k
  .altmacro
  GROW %(16 + (\k) % 16), %(16 + (\k + 1) % 16), %(16 + (\k + 9) % 16), %(16 + (\k + 14) % 16)
  .noaltmacro
.endm

.macro SCHEDULE_PAIR pair
  .if \pair >= 8
  SCHEDULE_WORD (2 * \pair)
  SCHEDULE_WORD (2 * \pair + 1)
  .endif
  .altmacro
  STORE_PAIR \pair, %(16 + 2 * \pair % 16), %(17 + 2 * \pair % 16)
  .noaltmacro
.endm

.macro MAKE_SCHEDULE
  vmovdqa64 as_x86_swap_words(%rip), %zmm15
  TURN_ROWS 0, 16, 17, 18, 19
  TURN_ROWS 4, 20, 21, 22, 23
  TURN_ROWS 8, 24, 25, 26, 27
  TURN_ROWS 12, 28, 29, 30, 31
  cmpq $0, WIDE_HAS_ENDINGS(%rbx)
  je 9f
  .altmacro
  .irp word, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
  ADD_ENDING \word, %(16 + \word)
  .endr
  .noaltmacro
9:
  .set next_pair, 0
  .rept 32
  .altmacro
  SCHEDULE_PAIR %next_pair
  .noaltmacro
  .set next_pair, next_pair + 1
  .endr
  vzeroupper
.endm

/* ---- BLAKE3 ---- */

#define VEC %zmm
#define ROW 64
#include "blake3_pieces.inc"

.macro LOAD_VALUE i, to
  vmovdqa64 WIDE_CV + 64 * \i(%rdi), %zmm\to
.endm

.macro END_VALUE i, low, high
  vpxord %zmm\high, %zmm\low, %zmm\low
  vmovdqa64 %zmm\low, WIDE_CV + 64 * \i(%rdi)
.endm

/* 28 pieces have four gaps, 28 three. */
  .set BLAKE3_GAPS, 28 * 4 + 28 * 3
.macro COMPRESS
  .altmacro
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  LOAD_VALUE \i, %(16 + \i)
  .endr
  .noaltmacro
  BEGIN_LANES rdi, 24, 25, 26, 27, 28, 29, 30, 31
  .set piece, 0
  .rept 56
  BLAKE3_PIECE piece, 16, WORDS, rsp
  .if piece == 48              /* some hundred cycles before they are needed */
  FETCH_AHEAD
  .endif
  .set piece, piece + 1
  .endr
  .altmacro
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  END_VALUE \i, %(16 + \i), %(24 + \i)
  .endr
  .noaltmacro
.endm

/*
 * void as_dual_wide_avx512_shani(as_wide_lanes *lanes, size_t sets, size_t steps, const as_wide_row *flags)
 */
FUNCTION as_dual_wide_avx512_shani
  ENTER_FRAME FRAME, all=1
  mov %rdi, %rbx
  imul $WIDE_SIZE, %rsi, %r12
  add %rdi, %r12
  mov %rdx, %rsi
  shl $6, %rsi
  mov %rcx, %r13
  mov %rcx, %rdx
  xor %eax, %eax
  SPREAD 0, 0, ROWS
  LOAD_ROWS
  .p2align 5
1:
  MAKE_SCHEDULE
  SPREAD 0, IN_BLAKE3, BLAKE3_GAPS
  COMPRESS
  add $64, %rdx
  add $64, %rax
  cmp %rsi, %rax
  jne 2f
  xor %eax, %eax               /* the block after the last is the first of the next lanes */
  add $WIDE_SIZE, %rbx
  cmp %r12, %rbx
  je 3f
2:
  SPREAD IN_BLAKE3, 512, ROWS
  LOAD_ROWS
  cmp %rbx, %rdi
  je 1b
  MOVE_ON rdi, rsi
  mov %rbx, %rdi
  mov %r13, %rdx
  jmp 1b
3:
  SPREAD IN_BLAKE3, 512, 1
  GAP
  MOVE_ON rdi, rsi
  vzeroupper
  LEAVE_FRAME all=1
  ret
END_FUNCTION as_dual_wide_avx512_shani

/* ---- states ---- */

/*
 * void as_sha256_begin_shani(as_wide_lanes *lanes)
 * Clobbers: zmm0.
 */
FUNCTION as_sha256_begin_shani
  vbroadcasti32x8 initial_state(%rip), %zmm0
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vmovdqa64 %zmm0, WIDE_SHA256 + 64 * \i(%rdi)
  .endr
  vzeroupper
  ret
END_FUNCTION as_sha256_begin_shani

/*
 * void as_sha256_values_shani(const as_wide_lanes *lanes, uint8_t values[512])
 * Clobbers: zmm0-2.
 */
FUNCTION as_sha256_values_shani
  vmovdqa64 in_order(%rip), %zmm1
  vmovdqa64 as_x86_swap_words(%rip), %zmm2
  .irp i, 0, 1, 2, 3, 4, 5, 6, 7
  vpermd WIDE_SHA256 + 64 * \i(%rdi), %zmm1, %zmm0
  vpshufb %zmm2, %zmm0, %zmm0
  vmovdqu64 %zmm0, 64 * \i(%rsi)
  .endr
  vzeroupper
  ret
END_FUNCTION as_sha256_values_shani

/* Rounds of four lanes whose message is the same in all of them. */
.macro PADDING_ROUNDS pair
  vmovq 8 * \pair(%rdx), %xmm0
  .if \pair % 2 == 0
  sha256rnds2 %xmm1, %xmm2
  sha256rnds2 %xmm3, %xmm4
  sha256rnds2 %xmm5, %xmm6
  sha256rnds2 %xmm7, %xmm8
  .else
  sha256rnds2 %xmm2, %xmm1
  sha256rnds2 %xmm4, %xmm3
  sha256rnds2 %xmm6, %xmm5
  sha256rnds2 %xmm8, %xmm7
  .endif
.endm

/*
 * void as_sha256_padding_shani(as_wide_lanes *lanes, size_t sets, const uint32_t words[64])
 *
 * rdi the next four lanes of a set, rcx the end of its lanes, rsi sets left, rdx words
 * xmm0 two words   xmm1-8 four chains
 * Clobbers: rcx, rdi, rsi, xmm0-8, flags.
 */
FUNCTION as_sha256_padding_shani
1:
  lea 512(%rdi), %rcx
  .p2align 5
2:
  LOAD_CHAIN 0, 1, 2
  LOAD_CHAIN 1, 3, 4
  LOAD_CHAIN 2, 5, 6
  LOAD_CHAIN 3, 7, 8
  .set pair, 0
  .rept 32
  .altmacro
  PADDING_ROUNDS %pair
  .noaltmacro
  .set pair, pair + 1
  .endr
  END_CHAIN 0, 1, 2
  END_CHAIN 1, 3, 4
  END_CHAIN 2, 5, 6
  END_CHAIN 3, 7, 8
  sub $-128, %rdi
  cmp %rcx, %rdi
  jne 2b
  add $WIDE_SIZE - 512, %rdi
  dec %rsi
  jnz 1b
  ret
END_FUNCTION as_sha256_padding_shani

  .section .rodata
  .p2align 6
/* Words of a state (A, B, C and so on) as sha256rnds2 wants them, from the lowest: F, E, B, A and H, G, D, C. */
in_order:
  .long 3, 2, 7, 6, 1, 0, 5, 4
  .long 11, 10, 15, 14, 9, 8, 13, 12
initial_state:
  .long 0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667, 0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372

  .section .note.GNU-stack, "", %progbits
#endif
