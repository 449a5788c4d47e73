/*
 * The few instructions of the guest that C cannot say: its entry, the jump into the program, system calls and faults.
 * The program runs at the kernel's own privilege: it is our own test, and one that goes astray ends the emulation.
 * Built by: run-avx512.sh. Calls: guest.c.
 */
  .section .text.entry, "ax"
  .globl guest_entry
guest_entry:
  lea guest_bss(%rip), %rdi
  lea guest_bss_end(%rip), %rcx
  sub %rdi, %rcx
  xor %eax, %eax
  rep stosb
  call guest_main
  hlt

  .text
/* void guest_enter(uint64_t address, uint64_t stack): into the program, never to return. */
  .globl guest_enter
guest_enter:
  mov %rsi, %rsp
  mov %rdi, %rax
  xor %edx, %edx               /* no function for the program to call at its end */
  xor %ebp, %ebp
  jmp *%rax

/* Where the instruction syscall leads: rcx is the return address, r11 the flags, rax the number, and the arguments
 * are in rdi, rsi, rdx, r10, r8, r9. All registers but rax, rcx and r11 are kept. */
  .globl guest_syscall_entry
guest_syscall_entry:
  mov %rsp, program_stack(%rip)
  lea kernel_stack_end(%rip), %rsp
  .irp register, rcx, r11, rdi, rsi, rdx, r10, r8, r9
  push %\register
  .endr
  push %r9
  push %r8
  mov %r10, %r8
  mov %rdx, %rcx
  mov %rsi, %rdx
  mov %rdi, %rsi
  mov %rax, %rdi
  pop %r9
  call guest_syscall
  add $8, %rsp
  .irp register, r9, r8, r10, rdx, rsi, rdi, r11, rcx
  pop %\register
  .endr
  mov program_stack(%rip), %rsp
  push %r11
  popf
  jmp *%rcx

/* Faults all end in guest_fault(vector, error, address of the instruction). Vectors 8, 10 to 14 and 17 push an error
 * code themselves. */
  .p2align 4
  .globl guest_fault_entries
guest_fault_entries:
  .irp vector, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
  .p2align 4
  .if \vector != 8 && (\vector < 10 || \vector > 14) && \vector != 17
  push $0
  .endif
  push $\vector
  jmp fault
  .endr
fault:
  pop %rdi
  pop %rsi
  pop %rdx
  and $-16, %rsp
  call guest_fault

  .bss
  .p2align 4
program_stack:
  .skip 16
  .skip 16384
kernel_stack_end:
  .section .note.GNU-stack, "", %progbits
