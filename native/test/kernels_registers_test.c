/*
 * Kernels in assembly must give back the registers that the calling convention reserves for the caller: a compiler
 * keeps something in them only now and then, so the other tests may pass for years while a kernel spoils one.
 * May include: native/digest/kernels.h, the test headers. Run by: ctest. Knows AArch64 and x86-64; says so elsewhere.
 */
#include "digest/kernels.h"

#include "digest_support.h"

enum { ARGUMENTS_MAX = 7, GROUPS = 3, OBJECTS = 24 };

/* Calls function(arguments[0], …, arguments[6]) with marks in the reserved registers; returns a number that is not zero
 * when one of them came back changed. */
uint64_t call_with_marks(const void *function, const uint64_t arguments[ARGUMENTS_MAX]);

/* AAPCS64, section 6.1: x19 to x29 and the lower halves of v8 to v15. */
#if defined(__aarch64__)
#define KNOWN 1
__asm__(
    ".text\n"
    ".macro each_reserved_x what\n"
    ".irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29\n \\what \\n\n .endr\n"
    ".endm\n"
    ".macro each_reserved_d what\n"
    ".irp n, 8, 9, 10, 11, 12, 13, 14, 15\n \\what \\n\n .endr\n"
    ".endm\n"
    ".macro save_x n\n str x\\n, [sp, #8 * (\\n - 18)]\n .endm\n"
    ".macro restore_x n\n ldr x\\n, [sp, #8 * (\\n - 18)]\n .endm\n"
    ".macro mark_x n\n mov x\\n, #1000 + \\n\n .endm\n"
    ".macro check_x n\n sub x\\n, x\\n, #1000 + \\n\n orr x0, x0, x\\n\n .endm\n"
    ".macro save_d n\n str d\\n, [sp, #96 + 8 * (\\n - 8)]\n .endm\n"
    ".macro restore_d n\n ldr d\\n, [sp, #96 + 8 * (\\n - 8)]\n .endm\n"
    ".macro mark_d n\n mov x9, #2000 + \\n\n fmov d\\n, x9\n .endm\n"
    ".macro check_d n\n fmov x9, d\\n\n sub x9, x9, #2000 + \\n\n orr x0, x0, x9\n .endm\n"
    ".globl call_with_marks\n"
    ".type call_with_marks, %function\n"
    "call_with_marks:\n"
    "  sub sp, sp, #160\n"
    "  str x30, [sp]\n"
    "  each_reserved_x save_x\n"
    "  each_reserved_d save_d\n"
    "  mov x16, x0\n"
    "  mov x17, x1\n"
    "  ldp x0, x1, [x17]\n"
    "  ldp x2, x3, [x17, #16]\n"
    "  ldp x4, x5, [x17, #32]\n"
    "  ldr x6, [x17, #48]\n"
    "  each_reserved_d mark_d\n"
    "  each_reserved_x mark_x\n"
    "  blr x16\n"
    "  mov x0, #0\n"
    "  each_reserved_x check_x\n"
    "  each_reserved_d check_d\n"
    "  each_reserved_d restore_d\n"
    "  each_reserved_x restore_x\n"
    "  ldr x30, [sp]\n"
    "  add sp, sp, #160\n"
    "  ret\n"
    ".size call_with_marks, . - call_with_marks\n");

/* System V ABI, figure 3.4: rbx, rbp, r12 to r15. The seventh argument travels on the stack. */
#elif defined(__x86_64__)
#define KNOWN 1
__asm__(
    ".text\n"
    ".globl call_with_marks\n"
    ".type call_with_marks, @function\n"
    "call_with_marks:\n"
    ".irp register, rbx, rbp, r12, r13, r14, r15\n push %\\register\n .endr\n"
    "  sub $24, %rsp\n"
    "  mov %rdi, %r11\n"
    "  mov %rsi, %r10\n"
    "  mov (%r10), %rdi\n"
    "  mov 8(%r10), %rsi\n"
    "  mov 16(%r10), %rdx\n"
    "  mov 24(%r10), %rcx\n"
    "  mov 32(%r10), %r8\n"
    "  mov 40(%r10), %r9\n"
    "  mov 48(%r10), %rax\n"
    "  mov %rax, (%rsp)\n"
    ".irp register, rbx, rbp, r12, r13, r14, r15\n mov $1000, %\\register\n .endr\n"
    "  call *%r11\n"
    "  xor %eax, %eax\n"
    ".irp register, rbx, rbp, r12, r13, r14, r15\n sub $1000, %\\register\n or %\\register, %rax\n .endr\n"
    "  add $24, %rsp\n"
    ".irp register, r15, r14, r13, r12, rbp, rbx\n pop %\\register\n .endr\n"
    "  ret\n"
    ".size call_with_marks, . - call_with_marks\n");

#else
#define KNOWN 0
#endif

#if KNOWN
#define ADDRESS(pointer) ((uint64_t)(uintptr_t)(pointer))

#define CHECK_CALL(member, ...)                                                              \
  do {                                                                                       \
    const uint64_t arguments[ARGUMENTS_MAX] = {__VA_ARGS__};                                 \
    CHECK(call_with_marks((const void *)as_kernels_in_use()->member, arguments) == 0,        \
          #member " of %s changed a register that belongs to its caller", as_kernel_name()); \
  } while (0)

static void test_every_member(void) {
  static uint8_t cvs[GROUPS * AS_GROUP_CHUNKS * AS_DIGEST_SIZE], other_cvs[sizeof cvs], xof[AS_BLAKE3_BLOCK];
  uint8_t *bytes = random_bytes(GROUPS * AS_GROUP_SIZE);
  uint32_t state[8], other_state[8], cv[8];
  as_dual_stream streams[2] = {{state, bytes, 0, cvs}, {other_state, bytes, 5, other_cvs}};
  as_span inputs[OBJECTS];
  as_digests digests[OBJECTS];
  uint64_t key = ADDRESS(as_initial_value), input = ADDRESS(bytes), output = ADDRESS(cvs);
  memcpy(state, as_initial_value, sizeof state);
  memcpy(other_state, as_initial_value, sizeof other_state);
  for (size_t i = 0; i < OBJECTS; i++) {
    inputs[i] = (as_span){bytes, i * 400};
  }
  CHECK_CALL(sha256_blocks, ADDRESS(state), input, 5);
  CHECK_CALL(blake3_compress, key, input, 64, 1, 2, ADDRESS(cv));
  CHECK_CALL(blake3_compress_xof, key, input, 64, 1, 2, ADDRESS(xof));
  CHECK_CALL(blake3_chunks, input, 23, key, 7, 0, output);
  CHECK_CALL(blake3_parents, input, 23, key, 0, output);
  CHECK_CALL(dual_groups, ADDRESS(state), input, GROUPS, key, 7, 0, output);
  CHECK_CALL(dual2_groups, ADDRESS(streams), GROUPS, key, 0);
  CHECK_CALL(dual_many, ADDRESS(inputs), OBJECTS, ADDRESS(digests));
  free(bytes);
}

/* What a kernel that spoils a register looks like to call_with_marks. */
#if defined(__aarch64__)
__asm__(".text\n.globl spoils_one\nspoils_one:\n  fmov d11, xzr\n  ret\n");
#else
__asm__(".text\n.globl spoils_one\nspoils_one:\n  xor %r13d, %r13d\n  ret\n");
#endif
extern const char spoils_one[];

static void test_of_the_test(void) {
  const uint64_t arguments[ARGUMENTS_MAX] = {0};
  CHECK(call_with_marks(spoils_one, arguments) != 0, "a spoilt register went unnoticed");
}

int main(void) {
  test_of_the_test();
  with_every_kernel(test_every_member);
  return 0;
}
#else
int main(void) {
  printf("skipped: the reserved registers of this architecture are not known here, nor are there kernels for it\n");
  return 0;
}
#endif
