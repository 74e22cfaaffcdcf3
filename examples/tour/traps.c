// Where every exception and interrupt arrives; the timer; and what exceptions look like in ring 0.
#include "tour.h"

enum {
  PIC1 = 0x20,
  PIC2 = 0xA0,
  EOI = 0x20,
  IRQ_BASE = 0x20,
  PIT_CHANNEL0 = 0x40,
  PIT_COMMAND = 0x43
};
enum {
  PIT_HERTZ = 1193182,
  TICK_HERTZ = 100
};
enum {
  DB = 1,
  BP = 3,
  NM = 7,
  PF = 14,
  SYSCALL_VECTOR = 0x80
};

struct probe kernel_probe;
volatile u32 ticks;
static volatile u32 steps;
static volatile u32 breakpoints;

void timer_start(void) {
  static const u8 icw[2][4] = {{0x11, IRQ_BASE, 4, 1}, {0x11, IRQ_BASE + 8, 2, 1}};
  for (u32 chip = 0; chip < 2; ++chip) {
    const u16 port = chip == 0 ? PIC1 : PIC2;
    outb(port, icw[chip][0]);
    for (u32 i = 1; i < 4; ++i) outb(port + 1, icw[chip][i]);
    outb(port + 1, chip == 0 ? 0xFE : 0xFF);  // IRQ 0 alone
  }
  outb(PIT_COMMAND, 0x34);  // channel 0, low and high byte, rate generator
  outb(PIT_CHANNEL0, (PIT_HERTZ / TICK_HERTZ) & 0xFF);
  outb(PIT_CHANNEL0, (PIT_HERTZ / TICK_HERTZ) >> 8);
}

static void stop(const struct frame* frame, const char* why) {
  put_text("tour: ");
  put_text(why);
  put_text(": vector ");
  put_hex(frame->vector, 2);
  put_text(" error ");
  put_hex(frame->error, 8);
  put_text(" at ");
  put_hex(frame->cs, 4);
  put_text(":");
  put_hex(frame->eip, 8);
  put_line("");
  outb(0x501, 0x20);
  for (;;) __asm__ volatile("cli\n\thlt");
}

static void fault(struct frame* frame) {
  const int from_user = (frame->cs & 3) == 3;
  struct probe* probe = from_user ? &user_probe : &kernel_probe;
  if (probe->resume == 0) stop(frame, "unexpected exception");
  probe->fault = FAULT(frame->vector, frame->error);
  if (frame->vector == PF) __asm__ volatile("movl %%cr2, %0" : "=r"(probe->address));
  frame->eip = probe->resume;
}

struct frame* on_trap(struct frame* frame) {
  switch (frame->vector) {
    case IRQ_BASE:
      ++ticks;
      outb(PIC1, EOI);
      return schedule(frame);
    case SYSCALL_VECTOR:
      return system_call(frame);
    case NM:
      float_unavailable();
      return frame;
    case PF: {
      u32 address;
      __asm__ volatile("movl %%cr2, %0" : "=r"(address));
      if (!handle_page_fault(address, frame->error)) fault(frame);
      return frame;
    }
    case DB:
      ++steps;
      return frame;
    case BP:
      ++breakpoints;
      return frame;
    default:
      fault(frame);
      return frame;
  }
}

// ---- checks -----------------------------------------------------------------------------------

void exception_checks(void) {
  u32 eax = 5;
  u32 edx = 0;
  PROBE(kernel_probe, "divl %[zero]", AND("+a"(eax), "+d"(edx)), LIST([zero] "r"(0)));
  check_fault(0, "div by zero", kernel_probe.fault, FAULT(0u, 0u));
  PROBE(kernel_probe, "ud2", , );
  check_fault(0, "ud2", kernel_probe.fault, FAULT(6u, 0u));
  const u32 bounds[2] = {10, 20};
  PROBE(kernel_probe, "bound %[index], %[bounds]", , LIST([index] "r"(21), [bounds] "m"(bounds)));
  check_fault(0, "bound, index outside", kernel_probe.fault, FAULT(5u, 0u));
  PROBE(kernel_probe, "bound %[index], %[bounds]", , LIST([index] "r"(20), [bounds] "m"(bounds)));
  check_fault(0, "bound, index inside", kernel_probe.fault, NO_FAULT);
  eax = 0x7FFFFFFF;
  PROBE(kernel_probe, "incl %%eax\n\tinto", AND("+a"(eax)), );
  check_fault(0, "into with OF = 1", kernel_probe.fault, FAULT(4u, 0u));
  PROBE(kernel_probe, "movw %w[s], %%fs", , LIST([s] "r"(0x1000)));
  check_fault(0, "mov fs, selector beyond the GDT", kernel_probe.fault, FAULT(13u, 0x1000u));
  PROBE(kernel_probe, "movw %w[s], %%fs", , LIST([s] "r"(ABSENT_DS)));
  check_fault(0, "mov fs, segment not present", kernel_probe.fault, FAULT(11u, (u32)ABSENT_DS));
  PROBE(kernel_probe, "movw %w[s], %%ss", , LIST([s] "r"(USER_DS)));
  check_fault(0, "mov ss, selector of ring 3", kernel_probe.fault, FAULT(13u, (u32)USER_DS & ~3u));
  PROBE(kernel_probe, "movw %w[s], %%fs\n\tmovb %%fs:0x100, %%al", AND("+a"(eax)), LIST([s] "r"(SMALL_DS)));
  check_fault(0, "load beyond a segment's limit", kernel_probe.fault, FAULT(13u, 0u));
  PROBE(kernel_probe, "movw %w[s], %%fs\n\tmovl %%fs:0, %%eax", AND("+a"(eax)), LIST([s] "r"(0)));
  check_fault(0, "load through a null selector", kernel_probe.fault, FAULT(13u, 0u));
  PROBE(kernel_probe, ".byte 0xF0, 0x90", , );
  check_fault(0, "lock before nop", kernel_probe.fault, FAULT(6u, 0u));

  breakpoints = 0;
  __asm__ volatile("int3\n\tint $3");
  check_value(0, "int3 and int 3: breakpoints taken", breakpoints, 2);
  steps = 0;
  __asm__ volatile(
      "pushfl\n\torl $0x100, (%%esp)\n\tpopfl\n\tnop\n\tnop\n\tnop\n\tpushfl\n\tandl $~0x100, (%%esp)\n\tpopfl"
      :
      :
      : "memory", "cc");
  check_value(0, "single steps over six instructions", steps, 6);
}
