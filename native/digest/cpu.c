/*
 * Finds the CPU's features: cpuid and xgetbv on x86-64 (Intel SDM volume 1, section 13.2 and chapter 15), the kernel's
 * auxiliary vector on AArch64 Linux. Elsewhere there are none, and the portable kernels run.
 * May include: native/digest headers, the C library. Called by: native/digest/dispatch.c; as_cpu_features by anyone.
 */
#include "digest/cpu.h"

#include <pthread.h>
#include <string.h>

#include "artifactstore.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* The register states that the operating system saves on a context switch; without that, using them loses data. */
static uint64_t saved_states(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

/* Leaf 0 has the maker's name in ebx, edx, ecx, and leaf 1 the family in two parts of eax (AMD APM volume 3, appendix
 * E). */
static uint32_t make_of_cpu(uint32_t leaf1_eax, int has_avx512) {
  enum { ZEN3_AND_4_FAMILY = 0x19, ZEN5_FAMILY = 0x1a };
  uint32_t largest, name[3];
  if (!__get_cpuid(0, &largest, &name[0], &name[2], &name[1]) || memcmp(name, "AuthenticAMD", sizeof name) != 0) {
    return 0;
  }
  uint32_t family = (leaf1_eax >> 8 & 0xf) + (leaf1_eax >> 20 & 0xff);
  return family == ZEN5_FAMILY ? AS_CPU_ZEN5 : family == ZEN3_AND_4_FAMILY && has_avx512 ? AS_CPU_ZEN4 : 0;
}

uint32_t as_cpu_detect(void) {
  enum { SAVES_AVX = 0x06, SAVES_AVX512 = 0xe6 };
  uint32_t a, b, c, d, features = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) {
    return 0;
  }
  uint32_t leaf1_eax = a;
  features |= c & bit_SSSE3 ? AS_CPU_SSSE3 : 0;
  features |= c & bit_SSE4_1 ? AS_CPU_SSE41 : 0;
  uint64_t saved = c & bit_OSXSAVE ? saved_states() : 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    return features;
  }
  features |= make_of_cpu(leaf1_eax, (b & bit_AVX512F) != 0);
  features |= b & bit_BMI2 ? AS_CPU_BMI2 : 0;
  features |= b & bit_SHA ? AS_CPU_SHA : 0;
  features |= c & bit_GFNI ? AS_CPU_GFNI : 0;
  if ((saved & SAVES_AVX) == SAVES_AVX) {
    features |= b & bit_AVX2 ? AS_CPU_AVX2 : 0;
  }
  if ((saved & SAVES_AVX512) == SAVES_AVX512) {
    features |= b & bit_AVX512F ? AS_CPU_AVX512F : 0;
    features |= b & bit_AVX512DQ ? AS_CPU_AVX512DQ : 0;
    features |= b & bit_AVX512BW ? AS_CPU_AVX512BW : 0;
    features |= b & bit_AVX512VL ? AS_CPU_AVX512VL : 0;
  }
  return features;
}

#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

uint32_t as_cpu_detect(void) {
  unsigned long capabilities = getauxval(AT_HWCAP);
  uint32_t features = 0;
  features |= capabilities & HWCAP_ASIMD ? AS_CPU_NEON : 0;
  features |= capabilities & HWCAP_SHA2 ? AS_CPU_SHA2 : 0;
  return features;
}

#else

uint32_t as_cpu_detect(void) {
  return 0;
}

#endif

static const struct {
  uint32_t feature;
  const char *name;
} feature_names[] = {
    {AS_CPU_SSSE3, "ssse3"},       {AS_CPU_SSE41, "sse4.1"},      {AS_CPU_AVX2, "avx2"},
    {AS_CPU_BMI2, "bmi2"},         {AS_CPU_SHA, "sha"},           {AS_CPU_GFNI, "gfni"},
    {AS_CPU_AVX512F, "avx512f"},   {AS_CPU_AVX512DQ, "avx512dq"}, {AS_CPU_AVX512BW, "avx512bw"},
    {AS_CPU_AVX512VL, "avx512vl"}, {AS_CPU_NEON, "neon"},         {AS_CPU_SHA2, "sha2"},
    {AS_CPU_ZEN5, "zen5"},         {AS_CPU_ZEN4, "zen4"},
};

enum { FEATURE_NAMES = sizeof feature_names / sizeof feature_names[0], FEATURE_NAME_SIZE = 16 };

static char features_text[FEATURE_NAMES * FEATURE_NAME_SIZE];

static void write_features_text(void) {
  uint32_t features = as_cpu_detect();
  for (int i = 0; i < FEATURE_NAMES; i++) {
    if (features & feature_names[i].feature) {
      strcat(features_text, features_text[0] ? " " : "");
      strcat(features_text, feature_names[i].name);
    }
  }
}

const char *as_cpu_features(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, write_features_text);
  return features_text;
}
