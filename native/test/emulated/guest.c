/*
 * Just enough of Linux to run one static test program on an emulated PC: it loads the program, answers the system calls
 * that the C library makes for memory, files and output, and reports what the program printed and how it ended. Nobody
 * else uses the PC, so there are no processes, no threads, no interrupts and no protection; but pages that a test
 * forbids are forbidden, so that guard pages work.
 * May include: freestanding C headers. Started by: rom.S; bochs.sh knows the addresses and the mark.
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t u64;

/* Physical addresses, which are the virtual ones too. */
enum {
  LOW_TABLE = 0x3000,        /* page table of rom.S with entries of 2 MiB */
  HEAP = 0x2000000,          /* grows by brk */
  HEAP_END = 0x8000000,
  MAPPED = 0xa000000,        /* given out by mmap, page by page */
  MAPPED_END = 0x1e000000,
  STACK_TOP = 0x1ff00000,
  PAGE = 4096,
  MAPPED_PAGES = (MAPPED_END - MAPPED) / PAGE
};

/* In the ROM, after the guest's 64 KiB, a tar file: `program`, `environment`, and the files that the program may read.
 * */
#define ARCHIVE 0xffe10000u

enum { PRESENT = 1, WRITABLE = 2 };
enum { FILES = 16, FIRST_FILE = 3 };
enum { ENOENT = 2, EBADF = 9, ENOMEM = 12, EINVAL = 22, ENOTTY = 25, ENOSYS = 38 };

void guest_enter(u64 address, u64 stack) __attribute__((noreturn));
void guest_syscall_entry(void);
extern const char guest_fault_entries[];

/* ---- the PC ---- */

static void out8(uint16_t port, uint8_t byte) {
  __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port));
}

static void write_msr(uint32_t number, u64 value) {
  __asm__ volatile("wrmsr" : : "c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

/* Bochs prints what is written to this port. */
static void print_byte(uint8_t byte) {
  out8(0xe9, byte);
}

static void print(const char *text) {
  while (*text) {
    print_byte((uint8_t)*text++);
  }
}

static void print_hex(u64 number) {
  for (int shift = 60; shift >= 0; shift -= 4) {
    print_byte((uint8_t)"0123456789abcdef"[number >> shift & 15]);
  }
}

/* The mark by which bochs.sh knows how the program ended; then this word on this port ends Bochs. */
static void __attribute__((noreturn)) end(u64 status) {
  print("\nguest: exit ");
  print_byte((uint8_t)('0' + (status > 9 ? 9 : status)));
  print("\n");
  for (const char *letter = "Shutdown"; *letter; letter++) {
    out8(0x8900, (uint8_t)*letter);
  }
  for (;;) {
    __asm__ volatile("hlt");
  }
}

void guest_fault(u64 vector, u64 error, u64 at) {
  u64 address;
  __asm__("mov %%cr2, %0" : "=r"(address));
  print("\nguest: fault ");
  print_hex(vector);
  print(", error ");
  print_hex(error);
  print(", at ");
  print_hex(at);
  print(", address ");
  print_hex(address);
  end(9);
}

/* The compiler may turn loops into calls of these. */
void *memcpy(void *to, const void *from, size_t size) {
  void *start = to;
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return start;
}

void *memset(void *to, int byte, size_t size) {
  void *start = to;
  __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
  return start;
}

static int equal(const char *a, const char *b) {
  while (*a && *a == *b) {
    a++;
    b++;
  }
  return *a == *b;
}

/* ---- faults and system calls ---- */

static struct {
  uint16_t low, segment, kind, middle;
  uint32_t high, zero;
} gates[21];

static void set_gates(void) {
  for (int i = 0; i < 21; i++) {
    u64 entry = (u64)guest_fault_entries + 16 * (u64)i;
    gates[i].low = (uint16_t)entry;
    gates[i].segment = 24;
    gates[i].kind = 0x8e00;
    gates[i].middle = (uint16_t)(entry >> 16);
    gates[i].high = (uint32_t)(entry >> 32);
  }
  struct {
    uint16_t size;
    u64 base;
  } __attribute__((packed)) table = {sizeof gates - 1, (u64)gates};
  __asm__ volatile("lidt %0" : : "m"(table));
}

static void set_syscall(void) {
  write_msr(0xc0000081, (u64)24 << 32);              /* STAR: segments */
  write_msr(0xc0000082, (u64)guest_syscall_entry);   /* LSTAR */
  write_msr(0xc0000084, 0x400);                      /* FMASK: string instructions go forwards */
}

/* ---- memory ---- */

static u64 page_tables[MAPPED_PAGES] __attribute__((aligned(PAGE)));
static uint8_t mapped[MAPPED_PAGES];

/* Pages of 4 KiB where mmap gives memory out, so that single ones can be forbidden. */
static void set_pages(void) {
  u64 *low_table = (u64 *)LOW_TABLE;
  for (u64 i = 0; i < MAPPED_PAGES; i++) {
    page_tables[i] = (MAPPED + i * PAGE) | PRESENT | WRITABLE;
  }
  for (u64 at = MAPPED; at < MAPPED_END; at += 512 * PAGE) {
    low_table[at / (512 * PAGE)] = (u64)&page_tables[(at - MAPPED) / PAGE] | PRESENT | WRITABLE;
  }
}

static u64 protect(u64 address, u64 size, u64 protection) {
  enum { READ = 1, WRITE = 2 };
  u64 flags = (protection & READ ? PRESENT : 0) | (protection & WRITE ? PRESENT | WRITABLE : 0);
  for (u64 at = address; at < address + size; at += PAGE) {
    if (at >= MAPPED && at < MAPPED_END) {
      page_tables[(at - MAPPED) / PAGE] = at | flags;
      __asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
    }
  }
  return 0;
}

static u64 map(u64 size, u64 protection) {
  enum { READ_AND_WRITE = 3 };
  u64 pages = (size + PAGE - 1) / PAGE, run = 0;
  for (u64 i = 0; i < MAPPED_PAGES; i++) {
    run = mapped[i] ? 0 : run + 1;
    if (run == pages) {
      u64 first = i + 1 - pages, address = MAPPED + first * PAGE;
      protect(address, pages * PAGE, READ_AND_WRITE);
      memset((void *)address, 0, pages * PAGE);
      memset(&mapped[first], 1, pages);
      protect(address, pages * PAGE, protection);
      return address;
    }
  }
  return (u64)-ENOMEM;
}

static u64 unmap(u64 address, u64 size) {
  u64 pages = (size + PAGE - 1) / PAGE;
  if (address < MAPPED || address + size > MAPPED_END) {
    return (u64)-EINVAL;
  }
  memset(&mapped[(address - MAPPED) / PAGE], 0, pages);
  return protect(address, pages * PAGE, 0);
}

static u64 set_break(u64 to) {
  static u64 at = HEAP;
  if (to >= HEAP && to <= HEAP_END) {
    if (to > at) {
      memset((void *)at, 0, to - at);
    }
    at = to;
  }
  return at;
}

/* ---- files ---- */

typedef struct file {
  const uint8_t *bytes;
  u64 size, at;
} file;

static file files[FILES];

/* A header of the tar format (POSIX ustar), as far as it counts here. The size is octal. */
typedef struct tar_header {
  char name[100], mode[24], size[12], rest[376];
} tar_header;

static int find(const char *name, file *found) {
  const tar_header *header = (const tar_header *)(u64)ARCHIVE;
  while (header->name[0]) {
    u64 size = 0;
    for (const char *digit = header->size; *digit >= '0' && *digit <= '7'; digit++) {
      size = size * 8 + (u64)(*digit - '0');
    }
    if (equal(header->name, name)) {
      *found = (file){(const uint8_t *)(header + 1), size, 0};
      return 1;
    }
    header += 1 + (size + sizeof *header - 1) / sizeof *header;
  }
  return 0;
}

static file *opened(u64 number) {
  return number >= FIRST_FILE && number < FILES && files[number].bytes ? &files[number] : NULL;
}

static u64 open_file(const char *name) {
  for (u64 i = FIRST_FILE; i < FILES; i++) {
    if (!files[i].bytes) {
      return find(name, &files[i]) ? i : (u64)-ENOENT;
    }
  }
  return (u64)-ENOMEM;
}

static u64 close_file(u64 number) {
  file *f = opened(number);
  if (f) {
    f->bytes = NULL;
  }
  return f ? 0 : (u64)-EBADF;
}

static u64 read_file(u64 number, void *to, u64 size) {
  file *f = opened(number);
  if (!f) {
    return number == 0 ? 0 : (u64)-EBADF;
  }
  u64 taken = f->at >= f->size ? 0 : f->size - f->at < size ? f->size - f->at : size;
  memcpy(to, f->bytes + f->at, taken);
  f->at += taken;
  return taken;
}

static u64 seek_file(u64 number, u64 offset, u64 whence) {
  file *f = opened(number);
  if (!f) {
    return (u64)-EBADF;
  }
  f->at = offset + (whence == 0 ? 0 : whence == 1 ? f->at : f->size);
  return f->at;
}

/* struct stat of Linux on x86-64: of all its members, the kind and the size of the file are asked for. */
static u64 stat_file(u64 number, uint32_t *stat) {
  enum { MODE = 6, SIZE = 12, BLOCK_SIZE = 14, WORDS = 36, REGULAR = 0100644, TERMINAL = 0020620 };
  file *f = opened(number);
  if (!f && number >= FIRST_FILE) {
    return (u64)-EBADF;
  }
  memset(stat, 0, WORDS * sizeof *stat);
  stat[MODE] = f ? REGULAR : TERMINAL;
  stat[SIZE] = f ? (uint32_t)f->size : 0;
  stat[BLOCK_SIZE] = PAGE;
  return 0;
}

static u64 write_text(u64 number, const uint8_t *bytes, u64 size) {
  if (number != 1 && number != 2) {
    return (u64)-EBADF;
  }
  for (u64 i = 0; i < size; i++) {
    print_byte(bytes[i]);
  }
  return size;
}

static u64 write_vector(u64 number, const u64 *vector, u64 count) {
  u64 written = 0;
  for (u64 i = 0; i < count; i++) {
    written += write_text(number, (const uint8_t *)vector[2 * i], vector[2 * i + 1]);
  }
  return written;
}

/* ---- the program ---- */

/* By the numbers of Linux on x86-64. What is not here is refused as a kernel without it would. */
u64 guest_syscall(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) {
  enum { FS_BASE = 0xc0000100, SET_FS = 0x1002, THE_ONLY_ONE = 1, KILLED = 8 };
  (void)d;
  (void)e;
  (void)f;
  switch (number) {
    case 0: return read_file(a, (void *)b, c);
    case 1: return write_text(a, (const uint8_t *)b, c);
    case 3: return close_file(a);
    case 5: return stat_file(a, (uint32_t *)b);
    case 8: return seek_file(a, b, c);
    case 9: return map(b, c);
    case 10: return protect(a, b, c);
    case 11: return unmap(a, b);
    case 12: return set_break(a);
    case 13: case 14: return 0; /* signals: there are none */
    case 16: return (u64)-ENOTTY;
    case 20: return write_vector(a, (const u64 *)b, c);
    case 39: case 186: case 218: return THE_ONLY_ONE;
    case 60: case 231: end(a);
    case 89: case 267: return (u64)-ENOENT;
    case 158:
      if (a != SET_FS) {
        return (u64)-EINVAL;
      }
      write_msr(FS_BASE, b);
      return 0;
    case 202: return 0;     /* futex: it wakes others, of whom there are none */
    case 200: case 234: end(KILLED);
    case 257: return open_file((const char *)b);
    case 262: return stat_file(a, (uint32_t *)c); /* with an empty name: of the open file */
    case 273: return 0;
    default: return (u64)-ENOSYS;
  }
}

/* Copies the program to where it wants to be. Returns its header there: the first segment begins with it. */
static const Elf64_Ehdr *load(void) {
  file program;
  if (!find("program", &program)) {
    print("guest: no program in the archive");
    end(9);
  }
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)program.bytes;
  const Elf64_Phdr *segment = (const Elf64_Phdr *)(program.bytes + header->e_phoff);
  u64 first = 0;
  for (int i = header->e_phnum - 1; i >= 0; i--) {
    if (segment[i].p_type == PT_LOAD) {
      first = segment[i].p_vaddr;
      memcpy((void *)segment[i].p_vaddr, program.bytes + segment[i].p_offset, segment[i].p_filesz);
      memset((void *)(segment[i].p_vaddr + segment[i].p_filesz), 0, segment[i].p_memsz - segment[i].p_filesz);
    }
  }
  return (const Elf64_Ehdr *)first;
}

/* The stack as the System V ABI, section 3.4.1, has it: count and list of arguments, environment, auxiliary vector. */
static u64 prepare_stack(const Elf64_Ehdr *header) {
  enum { ENVIRONMENT_MAX = 4096 };
  static char name[] = "test", environment[ENVIRONMENT_MAX + 1];
  static uint8_t random[16] = "not very random";
  static u64 words[64];
  u64 count = 0;
  file text;
  words[count++] = 1;
  words[count++] = (u64)name;
  words[count++] = 0;
  if (find("environment", &text) && text.size <= ENVIRONMENT_MAX) {
    memcpy(environment, text.bytes, text.size);
    for (char *at = environment; *at && count < 32; at++) { /* a line each */
      words[count++] = (u64)at;
      while (*at && *at != '\n') {
        at++;
      }
      *at = 0;
    }
  }
  words[count++] = 0;
  const u64 auxiliary[] = {AT_PHDR, (u64)header + header->e_phoff, AT_PHENT, header->e_phentsize,
                           AT_PHNUM, header->e_phnum, AT_PAGESZ, PAGE, AT_ENTRY, header->e_entry,
                           AT_RANDOM, (u64)random, AT_SECURE, 0, AT_NULL, 0};
  for (u64 i = 0; i < sizeof auxiliary / sizeof auxiliary[0]; i++) {
    words[count++] = auxiliary[i];
  }
  memcpy((void *)STACK_TOP, words, sizeof words);
  return STACK_TOP;
}

void guest_main(void) {
  set_gates();
  set_syscall();
  set_pages();
  const Elf64_Ehdr *header = load();
  guest_enter(header->e_entry, prepare_stack(header));
}
