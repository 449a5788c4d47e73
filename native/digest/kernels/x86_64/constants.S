/*
 * Constants that several x86-64 kernels load whole: vectors stand here ready made, so that an instruction can take them
 * as its memory operand and no register is held for them.
 */
#if defined(__ELF__)

.macro CONSTANT name
  .p2align 6
  .globl \name
  .hidden \name
  .type \name, %object
\name:
.endm

.macro END_CONSTANT name
  .size \name, . - \name
.endm

  .section .rodata

/* SHA-256 round constants (FIPS 180-4, section 4.2.2). */
CONSTANT as_x86_sha256_k
  .long 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5
  .long 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174
  .long 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da
  .long 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967
  .long 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85
  .long 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070
  .long 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3
  .long 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
END_CONSTANT as_x86_sha256_k

/* Byte shuffles, four times for 64-byte vectors. Words to the other byte order. */
CONSTANT as_x86_swap_words
  .rept 4
  .byte 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12
  .endr
END_CONSTANT as_x86_swap_words

/* Words 0 and 2 to the lower half, and to the upper half; zero elsewhere. */
CONSTANT as_x86_sha256_masks
  .rept 2
  .byte 0, 1, 2, 3, 8, 9, 10, 11, 128, 128, 128, 128, 128, 128, 128, 128
  .endr
  .rept 2
  .byte 128, 128, 128, 128, 128, 128, 128, 128, 0, 1, 2, 3, 8, 9, 10, 11
  .endr
END_CONSTANT as_x86_sha256_masks

/* Words rotated right by 16 and by 8. */
CONSTANT as_x86_rotate16
  .rept 4
  .byte 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
  .endr
END_CONSTANT as_x86_rotate16

CONSTANT as_x86_rotate8
  .rept 4
  .byte 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12
  .endr
END_CONSTANT as_x86_rotate8

/* The first four words of BLAKE3's initial value: once side by side, and each in all eight lanes. */
CONSTANT as_x86_iv
  .long 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a
END_CONSTANT as_x86_iv

CONSTANT as_x86_iv_lanes
  .irp word, 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a
  .rept 8
  .long \word
  .endr
  .endr
END_CONSTANT as_x86_iv_lanes

  .section .note.GNU-stack, "", %progbits
#endif
