// The switches of stack_switch.h for x86-64, and the barrier, which is one of them.
#include "tests/emulator/stack_switch.h"

#ifdef __x86_64__

// A context is a stack pointer with the six registers above it, and the place to jump to above those.
#define KEEP_REGISTERS                                                \
  "pushq %rbp\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %rbp, 0\n" \
  "pushq %rbx\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %rbx, 0\n" \
  "pushq %r12\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %r12, 0\n" \
  "pushq %r13\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %r13, 0\n" \
  "pushq %r14\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %r14, 0\n" \
  "pushq %r15\n .cfi_adjust_cfa_offset 8\n .cfi_rel_offset %r15, 0\n"
#define GO_ON                               \
  "popq %r15\n .cfi_adjust_cfa_offset -8\n" \
  "popq %r14\n .cfi_adjust_cfa_offset -8\n" \
  "popq %r13\n .cfi_adjust_cfa_offset -8\n" \
  "popq %r12\n .cfi_adjust_cfa_offset -8\n" \
  "popq %rbx\n .cfi_adjust_cfa_offset -8\n" \
  "popq %rbp\n .cfi_adjust_cfa_offset -8\n" \
  "popq %rcx\n .cfi_adjust_cfa_offset -8\n" \
  ".cfi_register %rip, %rcx\n"              \
  "jmpq *%rcx\n"
#define FUNCTION(name) \
  ".globl " #name "\n .type " #name ", @function\n .p2align 6\n" #name ":\n .cfi_startproc\n"
#define END(name) ".cfi_endproc\n .size " #name ", .-" #name "\n"

// clang-format off
asm(".pushsection .text\n"
    FUNCTION(emulator_switch_context)
    KEEP_REGISTERS
    "movq %rsp, (%rdi)\n"
    "movq %rsi, %rsp\n"
    "movl %edx, %eax\n"
    GO_ON
    END(emulator_switch_context)

    // int emulator::sync_threads(int predicate)
    FUNCTION(_ZN8emulator12sync_threadsEi)
    KEEP_REGISTERS
    "movq %rsp, %rsi\n"
    "movq 48(%rsp), %rdx\n"  // the place in the kernel
    "subq $8, %rsp\n .cfi_adjust_cfa_offset 8\n"
    "call emulator_arrive_at_barrier\n"
    "movq %rax, %rsp\n .cfi_adjust_cfa_offset -8\n"
    "movl %edx, %eax\n"
    GO_ON
    END(_ZN8emulator12sync_threadsEi)
    ".popsection\n");
// clang-format on

#endif
