/*
 * Takes every file below a folder out of the page cache, so that whoever reads it next reads from the disk. Their names and inodes stay in memory.
 * May include: the C library. Built and run by `npm run bench -- ingest --only cold-tree`, before each contender.
 *
 * Usage: forget <folder>. Ends with 1 when a file still has pages cached: it has not been written out, or the file system does as it likes.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int cached;

/* Whether the first page of a file is in memory, as mincore tells. */
static int is_cached(int fd, off_t size) {
  unsigned char first = 0;
  void *bytes = size ? mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
  if (bytes != MAP_FAILED) {
    mincore(bytes, 1, &first);
    munmap(bytes, (size_t)size);
  }
  return first & 1;
}

static int forget(const char *path, const struct stat *status, int kind, struct FTW *walk) {
  (void)walk;
  int fd = kind == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd >= 0) {
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    cached += is_cached(fd, status->st_size);
    close(fd);
  }
  return 0;
}

int main(int count, char **words) {
  if (count != 2 || nftw(words[1], forget, 32, FTW_PHYS) != 0) {
    fprintf(stderr, "usage: forget <folder>\n");
    return 2;
  }
  if (cached) {
    fprintf(stderr, "%d files are still in the page cache\n", cached);
  }
  return cached != 0;
}
