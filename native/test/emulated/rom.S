/*
 * What an emulated PC runs first, in place of a BIOS: from the reset vector straight to 64-bit mode, with the register
 * states of AVX-512 switched on as an operating system would (Intel SDM volume 3, sections 9.8.5 and 13.2), and on to
 * the guest, which it copies to memory. These are the last 64 KiB of the PC's 2 MiB of ROM, which end at 4 GiB; at
 * reset they are also seen below 1 MiB. The first 64 KiB are the guest, and a tar file fills what is between.
 * Built by: run-avx512.sh. Starts: guest.c.
 */
  .set ROM, 0xffe00000
  .set GUEST, 0x100000         /* guest.ld says the same */
  .set GUEST_SIZE, 0x10000
  .set TOP_TABLE, 0x1000       /* page tables: 512 GiB, 1 GiB and 2 MiB an entry; guest.c knows the last */
  .set MIDDLE_TABLE, 0x2000
  .set LOW_TABLES, 0x3000      /* four of them */
  .set STACK, 0x80000

  .text
  .code16
rom:
start16:
  cli
  lgdtl %cs:(descriptors_size - rom)
  mov %cr0, %eax
  or $1, %al                   /* protected mode */
  mov %eax, %cr0
  ljmpl $8, $(0xf0000 + start32 - rom)

  .code32
start32:
  mov $16, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  cld
  mov $ROM, %esi
  mov $GUEST, %edi
  mov $GUEST_SIZE / 4, %ecx
  rep movsl
  mov $TOP_TABLE, %edi         /* the tables, empty */
  xor %eax, %eax
  mov $6 * 1024, %ecx
  rep stosl
  movl $MIDDLE_TABLE + 3, TOP_TABLE
  .irp gib, 0, 1, 2, 3
  movl $LOW_TABLES + 4096 * \gib + 3, MIDDLE_TABLE + 8 * \gib
  .endr
  mov $0x83, %eax              /* 4 GiB at their own addresses, in pages of 2 MiB, writable */
  mov $LOW_TABLES, %edi
1:
  mov %eax, (%edi)
  add $0x200000, %eax
  add $8, %edi
  cmp $LOW_TABLES + 4 * 4096, %edi
  jne 1b
  mov $TOP_TABLE, %eax
  mov %eax, %cr3
  mov %cr4, %eax
  or $0x40620, %eax            /* PAE, OSFXSR, OSXMMEXCPT, OSXSAVE */
  mov %eax, %cr4
  mov $0xc0000080, %ecx        /* EFER */
  rdmsr
  or $0x101, %eax              /* 64-bit mode, the instruction syscall */
  wrmsr
  mov %cr0, %eax
  and $0xfffffff3, %eax        /* an x87 that is there, and no lazy switching */
  or $0x80010022, %eax         /* paging, write protection for the kernel too, monitoring and native errors of x87 */
  mov %eax, %cr0
  ljmpl $24, $(0xf0000 + start64 - rom)

  .code64
start64:
  xor %ecx, %ecx
  xor %edx, %edx
  mov $0xe7, %eax              /* x87, SSE, AVX, and the three states of AVX-512 */
  xsetbv
  mov $STACK, %rsp
  mov $GUEST, %eax
  jmp *%rax

  .p2align 3
descriptors:                   /* of segments: none, 32-bit code, data, 64-bit code */
  .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
descriptors_end:
descriptors_size:
  .word descriptors_end - descriptors - 1
  .long 0xf0000 + descriptors - rom

  .org 0xfff0
  .code16
  ljmp $0xf000, $0             /* start16 */
  .org 0x10000
  .section .note.GNU-stack, "", %progbits
