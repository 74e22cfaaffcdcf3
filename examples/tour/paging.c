// Address spaces: 4 MiB pages for the kernel and its alias of physical memory, 4 KiB pages for ring 3,
// of which heap and stacks come into being on the first touch.
#include "tour.h"

enum {
  PRESENT = 1,
  WRITABLE = 2,
  USER = 4,
  LARGE = 0x80,
  GLOBAL = 0x100,
  PAGE = 4096
};
enum {
  CR0_PG = 1u << 31,
  CR0_WP = 1u << 16,
  CR4_PSE = 1u << 4,
  CR4_PGE = 1u << 7
};

extern u8 user_data[], user_end[];

static u32 next_frame = FIRST_FRAME;
static u32 kernel_directory;
static u32 on;
static u32 faults;

static void* at(u32 physical) { return (void*)(on ? PHYS_ALIAS + physical : physical); }

u32 take_frame(void) {
  const u32 frame = next_frame;
  next_frame += PAGE;
  u32* words = at(frame);
  for (u32 i = 0; i < PAGE / 4; ++i) words[i] = 0;
  return frame;
}

u32* page_entry(u32 cr3, u32 address) {
  const u32 upper = ((u32*)at(cr3))[address >> 22];
  if ((upper & PRESENT) == 0 || (upper & LARGE) != 0) return 0;
  return (u32*)at(upper & ~0xFFFu) + ((address >> 12) & 1023);
}

static void map(u32 cr3, u32 address, u32 physical, u32 rights) {
  u32* directory = at(cr3);
  if ((directory[address >> 22] & PRESENT) == 0) {
    directory[address >> 22] = take_frame() | PRESENT | WRITABLE | USER;
  }
  *page_entry(cr3, address) = physical | rights | PRESENT;
}

void paging_init(void) {
  kernel_directory = take_frame();
  u32* directory = at(kernel_directory);
  directory[0] = PRESENT | WRITABLE | LARGE | GLOBAL;
  for (u32 p = 0; p < ALIAS_SIZE; p += 1u << 22) {
    directory[(PHYS_ALIAS + p) >> 22] = p | PRESENT | WRITABLE | LARGE | GLOBAL;
  }
  for (u32 a = 0x400000; a < (u32)user_data; a += PAGE) map(kernel_directory, a, a, USER);
  for (u32 a = (u32)user_data; a < (u32)user_end; a += PAGE) map(kernel_directory, a, a, USER | WRITABLE);
  __asm__ volatile(
      "movl %%cr4, %%eax\n\torl %0, %%eax\n\tmovl %%eax, %%cr4\n\t"
      "movl %1, %%cr3\n\t"
      "movl %%cr0, %%eax\n\torl %2, %%eax\n\tmovl %%eax, %%cr0\n\t"
      "jmp 1f\n1:"
      :
      : "i"(CR4_PSE | CR4_PGE), "r"(kernel_directory), "i"(CR0_PG | CR0_WP)
      : "eax", "memory");
  on = 1;
}

u32 new_address_space(void) {
  const u32 cr3 = take_frame();
  const u32* from = at(kernel_directory);
  u32* to = at(cr3);
  for (u32 i = 0; i < 1024; ++i) to[i] = from[i];
  for (u32 a = HEAP_BASE; a < HEAP_BASE + HEAP_SIZE; a += 1u << 22) to[a >> 22] = 0;
  to[(STACK_TOP - 1) >> 22] = 0;
  return cr3;
}

void enter_address_space(u32 cr3) {
  __asm__ volatile("movl %0, %%cr3" : : "r"(cr3 != 0 ? cr3 : kernel_directory) : "memory");
}

int handle_page_fault(u32 address, u32 error) {
  const int on_demand = (address >= HEAP_BASE && address < HEAP_BASE + HEAP_SIZE) ||
                        (address >= STACK_TOP - STACK_SIZE && address < STACK_TOP);
  if ((error & PRESENT) != 0 || !on_demand) return 0;
  u32 cr3;
  __asm__ volatile("movl %%cr3, %0" : "=r"(cr3));
  map(cr3, address, take_frame(), USER | WRITABLE);
  ++faults;
  return 1;
}

u32 demand_faults(void) { return faults; }

// ---- checks -----------------------------------------------------------------------------------

enum {
  ACCESSED = 0x20,
  DIRTY = 0x40,
  SPOT = 0x20000000
};

static void flush(u32 address) { __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory"); }

void paging_checks(void) {
  volatile u32* spot = (volatile u32*)SPOT;
  const u32 first = take_frame();
  const u32 second = take_frame();
  *(u32*)at(first) = 0x11111111;
  *(u32*)at(second) = 0x22222222;

  u32 loaded = 0;
  PROBE(kernel_probe, "movl (%[a]), %[v]", AND([v] "+r"(loaded)), LIST([a] "r"(SPOT)));
  check_fault(0, "load from an absent page", kernel_probe.fault, FAULT(14u, 0u));
  check_value(0, "  CR2", kernel_probe.address, SPOT);

  map(kernel_directory, SPOT, first, WRITABLE);
  check_value(0, "load from the page once it is mapped", *spot, 0x11111111);
  u32* entry = page_entry(kernel_directory, SPOT);
  check_value(0, "  A and D bits after a load", *entry & (ACCESSED | DIRTY), ACCESSED);
  *spot = 0x33333333;
  check_value(0, "  A and D bits after a store", *entry & (ACCESSED | DIRTY), ACCESSED | DIRTY);
  check_value(0, "  the store, seen through a 4 MiB page", *(u32*)at(first), 0x33333333);

  *entry = second | PRESENT;
  flush(SPOT);
  check_value(0, "load after remapping and invlpg", *spot, 0x22222222);
  PROBE(kernel_probe, "movl $1, (%[a])", , LIST([a] "r"(SPOT)));
  check_fault(0, "store to a read-only page, CR0.WP = 1", kernel_probe.fault, FAULT(14u, 3u));
  *entry = 0;
  enter_address_space(0);
  PROBE(kernel_probe, "movl $1, (%[a])", , LIST([a] "r"(SPOT)));
  check_fault(0, "store to an absent page after a CR3 load", kernel_probe.fault, FAULT(14u, 2u));

  const u32 before = faults;
  volatile u32* heap = (volatile u32*)HEAP_BASE;
  u32 sum = 0;
  for (u32 i = 0; i < 64; ++i) {
    sum |= heap[i * 1024];
    heap[i * 1024 + 1] = i;
  }
  check_value(0, "64 demand-zero pages: all zero", sum, 0);
  check_value(0, "  page faults taken", faults - before, 64);
  for (u32 i = 0; i < 64; ++i) sum += heap[i * 1024 + 1];
  check_value(0, "  sum of what was stored", sum, 63 * 64 / 2);
  *(volatile u32*)(HEAP_BASE + 70 * PAGE - 2) = 0xA1B2C3D4;
  check_value(0, "store across two absent pages", *(volatile u32*)(HEAP_BASE + 70 * PAGE - 2), 0xA1B2C3D4);
  check_value(0, "  page faults taken", faults - before, 66);
}
