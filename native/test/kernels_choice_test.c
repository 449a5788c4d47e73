/*
 * The choice among the kernel sets: automatic, by the environment, by call, by threads that race for it; and the features
 * on which it rests, against what Linux says.
 * May include: native/digest/kernels.h, the public header, the test headers. Run by: ctest.
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "digest/kernels.h"
#include "digest_support.h"

/* The choice is made once per process, so each setting needs a process of its own. NULL: not set. */
static void check_environment(const char *setting, const char *expected) {
  pid_t child = fork();
  CHECK(child >= 0, "cannot fork");
  if (child == 0) {
    if (setting) {
      setenv("ARTIFACTSTORE_CPU", setting, 1);
    } else {
      unsetenv("ARTIFACTSTORE_CPU");
    }
    _exit(strcmp(as_kernel_name(), expected ? expected : as_kernel_names()[0]) == 0 ? 0 : 1);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
        "ARTIFACTSTORE_CPU=%s did not choose %s", setting ? setting : "(unset)", expected ? expected : "the best");
}

static void test_choice_by_environment(void) {
  check_environment(NULL, NULL);
  check_environment("portable", "portable");
  check_environment("no-such-set", NULL);
  check_environment("", NULL);
}

static void test_choice_by_call(void) {
  const char *const *names = as_kernel_names();
  size_t count = 0;
  for (; names[count]; count++) {
    CHECK_INT(as_kernel_select(names[count]), 0);
    CHECK_STRING(as_kernel_name(), names[count]);
  }
  CHECK(count > 0, "no kernel set at all");
  CHECK_STRING(names[count - 1], "portable");
  CHECK_INT(as_kernel_select("no-such-set"), AS_E_INVALID);
  CHECK_INT(as_kernel_select(NULL), AS_E_INVALID);
  CHECK_STRING(as_kernel_name(), "portable"); /* a refused name changes nothing */
}

static void *first_use(void *result) {
  *(const as_kernels **)result = as_kernels_in_use();
  return NULL;
}

/* Must come before any other use in this process: it is the first choice that threads may race for. */
static void test_first_use_by_threads(void) {
  enum { THREADS = 8 };
  pthread_t threads[THREADS];
  const as_kernels *seen[THREADS];
  for (int i = 0; i < THREADS; i++) {
    CHECK_INT(pthread_create(&threads[i], NULL, first_use, &seen[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    CHECK(seen[i] == seen[0] && seen[i] != NULL, "thread %d saw another set", i);
  }
}

/* The line of /proc/cpuinfo that lists features. An emulator shows its host's file, so only our own line may match. */
#if defined(__x86_64__)
#define FEATURE_LINE "flags"
#elif defined(__aarch64__)
#define FEATURE_LINE "Features"
#else
#define FEATURE_LINE "none is known here"
#endif

/* Linux lists the same features under its own names; they must agree. Elsewhere there is nothing to compare with. */
static void test_features(void) {
  static const char *const names[][2] = {{"ssse3", "ssse3"},       {"sse4.1", "sse4_1"},     {"avx2", "avx2"},
                                         {"bmi2", "bmi2"},         {"sha", "sha_ni"},        {"gfni", "gfni"},
                                         {"avx512f", "avx512f"},   {"avx512dq", "avx512dq"}, {"avx512bw", "avx512bw"},
                                         {"avx512vl", "avx512vl"}, {"neon", "asimd"},        {"sha2", "sha2"}};
  static char ours[512], line[8192];
  snprintf(ours, sizeof ours, " %s ", as_cpu_features());
  FILE *file = fopen("/proc/cpuinfo", "r");
  while (file && fgets(line, sizeof line, file)) {
    if (strncmp(line, FEATURE_LINE, strlen(FEATURE_LINE)) != 0) {
      continue;
    }
    line[strcspn(line, "\n")] = ' ';
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
      char own[32], theirs[32];
      snprintf(own, sizeof own, " %s ", names[i][0]);
      snprintf(theirs, sizeof theirs, " %s ", names[i][1]);
      CHECK(!strstr(ours, own) == !strstr(line, theirs), "%s: we say \"%s\", Linux \"%s\"", names[i][0], ours, line);
    }
    break;
  }
  if (file) {
    fclose(file);
  }
}

int main(void) {
  test_choice_by_environment();
  test_first_use_by_threads();
  test_choice_by_call();
  test_features();
  return 0;
}
