// The way through the tour, and the checks that need ring 0.
#include "tour.h"

enum {
  MULTIBOOT_LOADER = 0x2BADB002,
  ACPI_PM1A_CONTROL = 0x604,
  SLEEP_ENABLE_S5 = 0x2000,
  DEBUG_EXIT = 0x501
};
enum {
  IF = 0x200,
  AC = 1u << 18,
  ID = 1u << 21,
  IOPL = 0x3000
};

void tour_main(u32 magic, u32 info);

static void power_off(void) {
  outw(ACPI_PM1A_CONTROL, SLEEP_ENABLE_S5);
  outb(DEBUG_EXIT, 0);  // a machine without ACPI
  for (;;) __asm__ volatile("cli\n\thlt");
}

struct __attribute__((packed)) table_register {
  u16 limit;
  u32 base;
};

void ring0_checks(void) {
  check_value(0, "pushf at the start: IF, IOPL", read_flags() & (IF | IOPL), 0);
  u32 flags = 0;
  __asm__ volatile("pushl %1\n\tpopfl\n\tpushfl\n\tpopl %0\n\tpushl $2\n\tpopfl"
                   : "=r"(flags)
                   : "r"(IOPL | AC | ID | 2));
  check_value(0, "popf, pushf: IOPL, AC, ID", flags & (IOPL | AC | ID), IOPL | AC | ID);
  __asm__ volatile("sti\n\tpushfl\n\tpopl %0\n\tcli" : "=r"(flags));
  check_value(0, "sti, pushf: IF", flags & IF, IF);
  check_value(0, "cli, pushf: IF", read_flags() & IF, 0);

  struct table_register table;
  __asm__ volatile("sgdt %0" : "=m"(table));
  check_value(0, "sgdt: base", table.base, gdt_address());
  check_value(0, "sgdt: limit", table.limit, gdt_limit());
  __asm__ volatile("sidt %0" : "=m"(table));
  check_value(0, "sidt: base", table.base, idt_address());
  check_value(0, "sidt: limit", table.limit, idt_limit());
  u32 value = 0;
  __asm__ volatile("sldt %w0" : "+r"(value));
  check_value(0, "sldt", value & 0xFFFF, LDT_SELECTOR);
  __asm__ volatile("str %w0" : "+r"(value));
  check_value(0, "str", value & 0xFFFF, TSS_SELECTOR);
  __asm__ volatile("movl %%cs, %0" : "=r"(value));
  check_value(0, "mov eax, cs", value, KERNEL_CS);
  __asm__ volatile("lar %1, %0" : "=r"(value) : "r"(TSS_SELECTOR));
  check_value(0, "lar of the TSS: busy", value & 0xFF00, 0x8B00);
  u32 cr0 = 0;
  __asm__ volatile("movl %%cr0, %0\n\tsmsw %1" : "=&r"(cr0), "=r"(value));
  check_value(0, "smsw: the low half of CR0", value & 0xFFFF, cr0 & 0xFFFF);
}

// ---- code that changes ------------------------------------------------------------------------

__asm__(
    ".data\n"
    ".balign 64\n"
    "changing:\n"
    "changing_immediate = . + 1\n\t"
    "movl $0, %eax\n\t"
    "ret\n"
    "changing_next:\n\t"
    "movb $0x42, 1f\n"  // makes the next instruction INC EDX
    "1:\tnop\n\t"
    "movb $0x90, 1b\n\t"
    "ret\n\t"
    ".text\n");
extern u8 changing[], changing_next[], changing_immediate[];

static u32 call_changing(void) {
  u32 value;
  __asm__ volatile("call changing" : "=a"(value) : : "memory", "cc");
  return value;
}

static void put_u32(u8* to, u32 value) { *(volatile u32*)to = value; }

void self_modifying_checks(void) {
  u32 right = 0;
  for (u32 i = 0; i < 500; ++i) {
    put_u32(changing_immediate, i);
    right += call_changing() == i;
  }
  check_value(0, "calls that saw their new immediate, of 500", right, 500);
  right = 0;
  for (u32 i = 0; i < 500; ++i) {
    put_u32((u8*)PHYS_ALIAS + (u32)changing_immediate, ~i);
    right += call_changing() == ~i;
  }
  check_value(0, "  the same, written through another mapping", right, 500);
  u32 count = 0;
  for (u32 i = 0; i < 500; ++i) __asm__ volatile("call changing_next" : "+d"(count) : : "memory", "cc");
  check_value(0, "stores that changed the next instruction", count, 500);
}

// ---- the tour ---------------------------------------------------------------------------------

void tour_main(u32 magic, u32 info) {
  (void)info;
  console_init();
  put_line("tour: a small kernel that looks at the CPU it runs on");
  check_value(0, "EAX at the entry: multiboot", magic, MULTIBOOT_LOADER);
  segments_init();
  ring0_checks();
  exception_checks();
  paging_init();
  paging_checks();
  self_modifying_checks();
  put_line("tour: ring 0 done, starting the tasks of ring 3");
  tasks_start();
  timer_start();
  while (tasks_running()) __asm__ volatile("sti\n\thlt\n\tcli");
  check_tasks();

  const u32 failed = print_checks();
  put_text("tour: ");
  put_number(count_checks());
  put_text(" checks, ");
  put_number(failed);
  put_line(" failed");
  if (failed != 0) outb(DEBUG_EXIT, 0x10);
  power_off();
}
