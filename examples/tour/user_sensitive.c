// Instructions that behave differently in ring 3 than in ring 0 without asking the kernel: those that a
// virtual machine gets wrong if it just lets them run (Popek and Goldberg's sensitive instructions).
#include "user_lib.h"

enum {
  IF = 0x200,
  IOPL = 0x3000,
  ZF = 0x40,
  GP = 13,
  PF = 14,
  UD = 6,
  MP = 2,
  PE = 1
};

struct probe user_probe;

struct __attribute__((packed)) table_register {
  u16 limit;
  u32 base;
};

static u32 user_flags(void) {
  u32 flags;
  __asm__ volatile("pushfl\n\tpopl %0" : "=r"(flags));
  return flags;
}

static void flag_checks(void) {
  user_value("pushf: IF, IOPL", user_flags() & (IF | IOPL), IF);
  u32 flags = 0;
  __asm__ volatile("pushl %1\n\tpopfl\n\tpushfl\n\tpopl %0" : "=r"(flags) : "r"(IOPL | 2) : "cc");
  user_value("popf of IF = 0, IOPL = 3: ignored", flags & (IF | IOPL), IF);
  __asm__ volatile("pushl %1\n\tpopfl\n\tpushfl\n\tpopl %0\n\tpushl $2\n\tpopfl" : "=r"(flags) : "r"(0x8D7) : "cc");
  user_value("popf of the status flags: kept", flags & 0x8D5, 0x8D5);
  u32 width16 = 0;
  __asm__ volatile("pushfw\n\tpopw %w0" : "+r"(width16));
  user_value("pushf, 16 bits: IF, IOPL", width16 & (IF | IOPL), IF);
}

static void table_checks(void) {
  struct table_register table;
  __asm__ volatile("sgdt %0" : "=m"(table));
  user_value("sgdt: limit", table.limit, 9 * 8 - 1);
  user_value("sgdt: the base lies in the kernel", table.base >= 0x100000 && table.base < 0x400000, 1);
  __asm__ volatile("sidt %0" : "=m"(table));
  user_value("sidt: limit", table.limit, 129 * 8 - 1);
  user_value("sidt: the base lies in the kernel", table.base >= 0x100000 && table.base < 0x400000, 1);
  u32 value = 0;
  __asm__ volatile("sldt %w0" : "+r"(value));
  user_value("sldt", value & 0xFFFF, LDT_SELECTOR);
  __asm__ volatile("str %w0" : "+r"(value));
  user_value("str", value & 0xFFFF, TSS_SELECTOR);
  __asm__ volatile("smsw %w0" : "+r"(value));
  user_value("smsw: PE, MP", value & (PE | MP), PE | MP);
}

static void selector_checks(void) {
  u32 value = 0;
  u32 flags = 0;
  __asm__ volatile("movl %%cs, %0" : "=r"(value));
  user_value("mov eax, cs", value, USER_CS);
  __asm__ volatile("pushl %%ss\n\tpopl %0" : "=r"(value));
  user_value("push ss", value & 0xFFFF, USER_DS);

#define LOOK(instruction, selector) \
  value = 0;                        \
  __asm__ volatile(instruction "\n\tpushfl\n\tpopl %1" : "+r"(value), "=r"(flags) : "r"(selector) : "cc")
  LOOK("lar %2, %0", USER_CS);
  user_value("lar of the user code segment", value & 0xF0FF00, 0xC0FB00);
  LOOK("lar %2, %0", KERNEL_CS);
  user_value("lar of the kernel's: ZF", flags & ZF, 0);
  LOOK("lsl %2, %0", SMALL_DS);
  user_value("lsl of a segment of 256 bytes", value, 0xFF);
  LOOK("lsl %2, %0", USER_DS);
  user_value("lsl of a flat segment", value, 0xFFFFFFFF);
  LOOK("lsl %2, %0", TSS_SELECTOR);
  user_value("lsl of the TSS: ZF", flags & ZF, 0);
  LOOK("verr %w2", USER_CS);
  user_value("verr of the user code segment: ZF", flags & ZF, ZF);
  LOOK("verw %w2", USER_CS);
  user_value("verw of the user code segment: ZF", flags & ZF, 0);
  LOOK("verw %w2", USER_DS);
  user_value("verw of the user data segment: ZF", flags & ZF, ZF);
  LOOK("verr %w2", KERNEL_DS);
  user_value("verr of the kernel data segment: ZF", flags & ZF, 0);
#undef LOOK
  value = 0x1000;
  __asm__ volatile("arpl %w2, %w0\n\tpushfl\n\tpopl %1" : "+r"(value), "=r"(flags) : "r"(3) : "cc");
  user_value("arpl: the new selector", value, 0x1003);
  __asm__ volatile("movw %w1, %%fs\n\tmovl %%fs:0, %0\n\tmovw %w2, %%fs" : "=r"(value) : "r"(SMALL_DS), "r"(0));
  user_value("load through fs with base 4 MiB", value, *(volatile u32*)0x400000);
}

#define REFUSED(name, instruction, want)                  \
  PROBE(user_probe, instruction, , LIST("a"(0), "d"(0))); \
  user_fault(name, user_probe.fault, want)

static void privilege_checks(void) {
  const u32 gp = FAULT((u32)GP, 0u);
  REFUSED("cli", "cli", gp);
  REFUSED("sti", "sti", gp);
  REFUSED("hlt", "hlt", gp);
  REFUSED("in al, 21h", "inb $0x21, %%al", gp);
  REFUSED("out 80h, al", "outb %%al, $0x80", gp);
  REFUSED("mov eax, cr0", "movl %%cr0, %%eax", gp);
  REFUSED("mov cr3, eax", "movl %%eax, %%cr3", gp);
  REFUSED("mov eax, dr7", "movl %%dr7, %%eax", gp);
  REFUSED("lgdt", "lgdt 0x400000", gp);
  REFUSED("lidt", "lidt 0x400000", gp);
  REFUSED("lldt", "lldt %%ax", gp);
  REFUSED("ltr", "ltr %%ax", gp);
  REFUSED("lmsw", "lmsw %%ax", gp);
  REFUSED("clts", "clts", gp);
  REFUSED("invd", "invd", gp);
  REFUSED("wbinvd", "wbinvd", gp);
  REFUSED("invlpg", "invlpg 0x400000", gp);
  REFUSED("rdmsr", "rdmsr", gp);
  REFUSED("wrmsr", "wrmsr", gp);
  REFUSED("ud2", "ud2", FAULT((u32)UD, 0u));
  REFUSED("int 20h, a gate of ring 0", "int $0x20", FAULT((u32)GP, 0x20u * 8 + 2));
  REFUSED("mov ds, the kernel's selector", "movw $0x10, %%ax\n\tmovw %%ax, %%ds", FAULT((u32)GP, 0x10u));
  REFUSED("jmp far into the kernel", "ljmp $0x08, $0x100000", FAULT((u32)GP, 0x08u));
  REFUSED("load from a kernel page", "movl 0x100000, %%eax", FAULT((u32)PF, 5u));
  REFUSED("store to a kernel page", "movl %%eax, 0x100000", FAULT((u32)PF, 7u));
  REFUSED("store to a read-only page", "movl %%eax, 0x400000", FAULT((u32)PF, 7u));
}

void user_sensitive(void) {
  volatile u32* mark = private_mark(0xFFFF0006);
  flag_checks();
  table_checks();
  selector_checks();
  privilege_checks();
  u32 rounds = 0;
  u32 wrong = 0;
  do {
    // Again and again, so that preemption comes in between.
    wrong += (user_flags() & (IF | IOPL)) != IF;
    PROBE(user_probe, "cli", , );
    wrong += user_probe.fault != FAULT((u32)GP, 0u);
    ++rounds;
  } while (now() < LAST_TICK);
  user_value("pushf and cli, repeated: wrong results", wrong, 0);
  user_value("  its private page is still its own", *mark, 0xFFFF0006);
  leave();
}
