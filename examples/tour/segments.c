// Descriptor tables: GDT, LDT, IDT and the task state segment that holds the ring-0 stack.
#include "tour.h"

struct __attribute__((packed)) table_register {
  u16 limit;
  u32 base;
};

struct tss {
  u32 link, esp0, ss0, unused[22];
  u16 trap, io_map;
};

enum {
  STUB_SIZE = 16,
  VECTORS = 129,
  SYSCALL_VECTOR = 0x80
};

extern u8 trap_stubs[];

static uint64_t gdt[9];
static uint64_t ldt[1];
static uint64_t idt[VECTORS];
static struct tss tss;

static uint64_t descriptor(u32 base, u32 limit, u32 access, u32 flags) {
  const u32 low = (limit & 0xFFFF) | (base << 16);
  const u32 high = ((base >> 16) & 0xFF) | (access << 8) | (limit & 0xF0000) | (flags << 20) | (base & 0xFF000000);
  return ((uint64_t)high << 32) | low;
}

static uint64_t gate(u32 target, u32 access) {
  return ((uint64_t)((target & 0xFFFF0000) | (access << 8)) << 32) | (KERNEL_CS << 16) | (target & 0xFFFF);
}

u32 gdt_address(void) { return (u32)gdt; }
u32 gdt_limit(void) { return sizeof gdt - 1; }
u32 idt_address(void) { return (u32)idt; }
u32 idt_limit(void) { return sizeof idt - 1; }
void set_kernel_stack(u32 esp) { tss.esp0 = esp; }

void segments_init(void) {
  gdt[KERNEL_CS / 8] = descriptor(0, 0xFFFFF, 0x9A, 0xC);
  gdt[KERNEL_DS / 8] = descriptor(0, 0xFFFFF, 0x92, 0xC);
  gdt[USER_CS / 8] = descriptor(0, 0xFFFFF, 0xFA, 0xC);
  gdt[USER_DS / 8] = descriptor(0, 0xFFFFF, 0xF2, 0xC);
  gdt[TSS_SELECTOR / 8] = descriptor((u32)&tss, sizeof tss - 1, 0x89, 0);
  gdt[LDT_SELECTOR / 8] = descriptor((u32)ldt, sizeof ldt - 1, 0x82, 0);
  gdt[ABSENT_DS / 8] = descriptor(0, 0xFFFFF, 0x12, 0xC);
  gdt[SMALL_DS / 8] = descriptor(0x400000, 0xFF, 0xF2, 0x4);
  tss.ss0 = KERNEL_DS;
  tss.io_map = sizeof tss;  // no map: ring 3 has no ports

  for (u32 v = 0; v < VECTORS; ++v) {
    // Breakpoint, overflow and system calls may come from ring 3 by INT.
    const u32 dpl = (v == 3 || v == 4 || v == SYSCALL_VECTOR) ? 3 : 0;
    idt[v] = gate((u32)trap_stubs + v * STUB_SIZE, 0x8E | (dpl << 5));
  }
  const struct table_register gdtr = {sizeof gdt - 1, (u32)gdt};
  const struct table_register idtr = {sizeof idt - 1, (u32)idt};
  __asm__ volatile(
      "lgdt %0\n\t"
      "lidt %1\n\t"
      "ljmp %2, $1f\n"
      "1:\tmovl %3, %%eax\n\t"
      "movl %%eax, %%ds\n\t"
      "movl %%eax, %%es\n\t"
      "movl %%eax, %%ss\n\t"
      "xorl %%eax, %%eax\n\t"
      "movl %%eax, %%fs\n\t"
      "movl %%eax, %%gs\n\t"
      "ltr %w4\n\t"
      "lldt %w5"
      :
      : "m"(gdtr), "m"(idtr), "i"(KERNEL_CS), "i"(KERNEL_DS), "r"(TSS_SELECTOR), "r"(LDT_SELECTOR)
      : "eax", "memory");
}
