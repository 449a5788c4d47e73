/*
 * Walking a directory tree: see artifactstore.h. One list of names for each directory on the way down, sorted, so memory follows the largest
 * directories and the depth, not the tree.
 * May include: the C library, core/error.h. Called by: users of the core.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifactstore.h"
#include "core/error.h"

/* A directory being walked: its names stand one behind the other, each with its kind in front and a NUL behind it. */
typedef struct level {
  char *names;
  size_t size, capacity;
  char **sorted;
  size_t count, next;
  size_t prefix; /* bytes of the walk's path that lead into it */
} level;

struct as_walk {
  char *avoid;        /* a directory that must not be entered; NULL: none */
  dev_t avoid_device; /* what it is, once it is there */
  ino_t avoid_inode;
  int avoids;
  char *path; /* of what was found last; its beginning is that of the directories on the way */
  size_t capacity;
  level *levels;
  size_t depth, levels_capacity;
  int begun;
};

/* ---- names ---- */

static int grow(void *pointer, size_t *capacity, size_t needed, size_t unit) {
  if (needed <= *capacity) {
    return 0;
  }
  size_t larger = *capacity ? *capacity : 64;
  while (larger < needed) {
    larger *= 2;
  }
  void *bytes = realloc(*(void **)pointer, larger * unit);
  if (!bytes) {
    return as_fail(-ENOMEM, "walk", NULL);
  }
  *(void **)pointer = bytes;
  *capacity = larger;
  return 0;
}

/* A directory is no kind of its own: it is entered. */
enum { DIRECTORY = 127 };

static int kind_of_mode(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG: return AS_WALKED_FILE;
    case S_IFDIR: return DIRECTORY;
    case S_IFLNK: return AS_WALKED_LINK;
    case S_IFSOCK: return AS_WALKED_SOCKET;
    case S_IFIFO: return AS_WALKED_FIFO;
    case S_IFBLK: return AS_WALKED_BLOCK_DEVICE;
    case S_IFCHR: return AS_WALKED_CHARACTER_DEVICE;
    default: return AS_WALKED_OTHER;
  }
}

/* Most file systems say with the name what it is; for the others it has to be asked for. */
static int kind_of(int directory, const struct dirent *entry) {
  struct stat status;
  if (entry->d_type != DT_UNKNOWN) {
    return kind_of_mode(DTTOIF(entry->d_type));
  }
  return fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) ? AS_WALKED_OTHER : kind_of_mode(status.st_mode);
}

static int add_name(level *at, int kind, const char *name) {
  size_t size = strlen(name) + 2;
  int error = grow(&at->names, &at->capacity, at->size + size, 1);
  if (error) {
    return error;
  }
  at->names[at->size] = (char)kind;
  memcpy(at->names + at->size + 1, name, size - 1);
  at->size += size;
  at->count++;
  return 0;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a + 1, *(char *const *)b + 1); }

static int sort_names(level *at) {
  at->sorted = malloc((at->count ? at->count : 1) * sizeof *at->sorted);
  if (!at->sorted) {
    return as_fail(-ENOMEM, "walk", NULL);
  }
  char *name = at->names;
  for (size_t i = 0; i < at->count; i++) {
    at->sorted[i] = name;
    name += strlen(name + 1) + 2;
  }
  qsort(at->sorted, at->count, sizeof *at->sorted, by_name);
  return 0;
}

static void free_level(level *at) {
  free(at->names);
  free(at->sorted);
  *at = (level){0};
}

/* ---- directories ---- */

static int is_dot(const char *name) { return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])); }

/* Lists the open directory, which is closed whatever happens. */
static int list(int fd, level *out) {
  DIR *directory = fdopendir(fd);
  if (!directory) {
    int error = -errno;
    close(fd);
    return error;
  }
  int error = 0;
  for (;;) {
    errno = 0;
    const struct dirent *entry = readdir(directory);
    if (!entry) {
      error = -errno;
      break;
    }
    if (!is_dot(entry->d_name) && (error = add_name(out, kind_of(fd, entry), entry->d_name))) {
      break;
    }
  }
  closedir(directory);
  return error ? error : sort_names(out);
}

/* Whether the open directory is the one to be avoided, which may have been made since the walk began. */
static int is_avoided(as_walk *walk, int fd) {
  struct stat status;
  if (walk->avoid && !walk->avoids && !stat(walk->avoid, &status)) {
    walk->avoid_device = status.st_dev;
    walk->avoid_inode = status.st_ino;
    walk->avoids = 1;
  }
  return walk->avoids && !fstat(fd, &status) && status.st_dev == walk->avoid_device && status.st_ino == walk->avoid_inode;
}

/* Lists the directory at the walk's path. A link is followed only where it was named. Returns 1 when it is to be
 * avoided. */
static int list_path(as_walk *walk, level *out) {
  int fd;
  do {
    fd = open(walk->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (walk->depth ? O_NOFOLLOW : 0));
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) {
    return -errno;
  }
  if (is_avoided(walk, fd)) {
    close(fd);
    return 1;
  }
  return list(fd, out);
}

/* Enters the directory at the walk's path. Returns 0, or 1 and what there is to say of it, or -ENOMEM. */
static int enter(as_walk *walk, size_t length, as_walked *out) {
  int error = grow(&walk->levels, &walk->levels_capacity, walk->depth + 1, sizeof *walk->levels);
  error = error ? error : grow(&walk->path, &walk->capacity, length + 2, 1);
  if (error) {
    return error;
  }
  level at = {0};
  int listed = list_path(walk, &at);
  if (listed) {
    free_level(&at);
    *out = (as_walked){walk->path, length, listed > 0 ? AS_WALKED_AVOIDED : AS_WALKED_UNREADABLE, listed > 0 ? 0 : listed};
    return listed == -ENOMEM ? listed : 1;
  }
  if (walk->path[length - 1] != '/') {
    walk->path[length++] = '/';
  }
  at.prefix = length;
  walk->levels[walk->depth++] = at;
  return 0;
}

/* ---- the walk ---- */

int as_walk_begin(const char *root, const char *avoid, as_walk **out) {
  *out = NULL;
  as_walk *walk = calloc(1, sizeof *walk);
  int error = !walk ? as_fail(-ENOMEM, "walk", root) : *root ? 0 : as_fail(-ENOENT, "walk", root);
  if (!error && avoid) {
    walk->avoid = strdup(avoid);
    error = walk->avoid ? 0 : as_fail(-ENOMEM, "walk", root);
  }
  size_t size = strlen(root) + 1;
  error = error ? error : grow(&walk->path, &walk->capacity, size, 1);
  if (error) {
    as_walk_end(walk);
    return error;
  }
  memcpy(walk->path, root, size);
  *out = walk;
  return 0;
}

int as_walk_next(as_walk *walk, as_walked *out) {
  if (!walk->begun) {
    walk->begun = 1;
    int entered = enter(walk, strlen(walk->path), out);
    if (entered) {
      return entered;
    }
  }
  while (walk->depth) {
    level *at = &walk->levels[walk->depth - 1];
    if (at->next == at->count) {
      free_level(at);
      walk->depth--;
      continue;
    }
    const char *name = at->sorted[at->next++];
    size_t length = strlen(name + 1);
    int error = grow(&walk->path, &walk->capacity, at->prefix + length + 1, 1);
    if (error) {
      return error;
    }
    memcpy(walk->path + at->prefix, name + 1, length + 1);
    length += at->prefix;
    if (name[0] != DIRECTORY) {
      *out = (as_walked){walk->path, length, (as_walked_kind)name[0], 0};
      return 1;
    }
    int entered = enter(walk, length, out);
    if (entered) {
      return entered;
    }
  }
  return 0;
}

void as_walk_end(as_walk *walk) {
  if (!walk) {
    return;
  }
  while (walk->depth) {
    free_level(&walk->levels[--walk->depth]);
  }
  free(walk->levels);
  free(walk->avoid);
  free(walk->path);
  free(walk);
}
