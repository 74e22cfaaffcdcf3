// What the parts of the tour share. The tour is a small kernel: it visits the corners of the 32-bit x86
// architecture that a virtual machine can get wrong, checks each, and prints what it saw.
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;

// ---- layout -----------------------------------------------------------------------------------

enum {
  KERNEL_CS = 0x08,
  KERNEL_DS = 0x10,
  USER_CS = 0x18 | 3,
  USER_DS = 0x20 | 3,
  TSS_SELECTOR = 0x28,
  LDT_SELECTOR = 0x30,
  ABSENT_DS = 0x38,     // a data segment that is not present
  SMALL_DS = 0x40 | 3,  // a user data segment of 256 bytes
};

#define PHYS_ALIAS 0xC0000000u  // physical memory again, in 4 MiB pages
#define ALIAS_SIZE 0x02000000u
#define FIRST_FRAME 0x00800000u  // physical memory that the page allocator hands out
#define HEAP_BASE 0x10000000u    // demand-zero, private to each task
#define HEAP_SIZE 0x00400000u
#define STACK_TOP 0x0C000000u
#define STACK_SIZE 0x00010000u

// ---- checks -----------------------------------------------------------------------------------

enum {
  KIND_VALUE,
  KIND_FAULT
};
#define NO_FAULT 0xFFFFFFFFu
#define FAULT(vector, error) (((vector) << 16) | (error))

struct check {
  const char* name;
  u32 ring;
  u32 kind;
  u32 got;
  u32 want;
};

void check_value(u32 ring, const char* name, u32 got, u32 want);
void check_fault(u32 ring, const char* name, u32 got, u32 want);
u32 print_checks(void);  // the table; returns the number of failures
u32 count_checks(void);

// One instruction that may fault: the handler stores what happened and continues at `resume`.
struct probe {
  u32 resume;
  u32 fault;    // FAULT(vector, error) or NO_FAULT
  u32 address;  // CR2 of a page fault
};
extern struct probe kernel_probe;
extern struct probe user_probe;

// Operand lists of PROBE: outputs are AND(...) or nothing, inputs LIST(...) or nothing.
#define AND(...) , __VA_ARGS__
#define LIST(...) __VA_ARGS__
#define PROBE(p, instruction, outputs, inputs)                                          \
  do {                                                                                  \
    (p).fault = NO_FAULT;                                                               \
    __asm__ volatile("movl $77f, %[resume]\n\t" instruction "\n77:\tmovl $0, %[resume]" \
                     : [resume] "+m"((p).resume)outputs:inputs                          \
                     : "memory", "cc");                                                 \
  } while (0)

// ---- machine ----------------------------------------------------------------------------------

static inline void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
static inline void outw(u16 port, u16 value) { __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
static inline u8 inb(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static inline u32 read_flags(void) {
  u32 flags;
  __asm__ volatile("pushfl\n\tpopl %0" : "=r"(flags));
  return flags;
}

// ---- parts ------------------------------------------------------------------------------------

void console_init(void);
void put_text(const char* text);
void put_line(const char* text);
void put_padded(const char* text, u32 width);
void put_hex(u32 value, u32 digits);
void put_number(u32 value);

void segments_init(void);
void set_kernel_stack(u32 esp);
u32 gdt_address(void);
u32 gdt_limit(void);
u32 idt_address(void);
u32 idt_limit(void);

void paging_init(void);
u32 new_address_space(void);
void enter_address_space(u32 cr3);
int handle_page_fault(u32 address, u32 error);  // nonzero: the page is there now
u32 demand_faults(void);
u32* page_entry(u32 cr3, u32 address);  // through the alias; 0 if there is no page table
u32 take_frame(void);                   // a zeroed page, by physical address

struct frame {  // as the stubs push it
  u32 gs, fs, es, ds;
  u32 edi, esi, ebp, ignored_esp, ebx, edx, ecx, eax;
  u32 vector, error;
  u32 eip, cs, eflags, esp, ss;
};
struct frame* on_trap(struct frame* frame);

void timer_start(void);
void timer_acknowledge(void);

void tasks_start(void);
int tasks_running(void);
struct frame* schedule(struct frame* frame);
struct frame* system_call(struct frame* frame);
void task_fault(struct frame* frame);
u32 current_cr3(void);
void float_unavailable(void);
void check_tasks(void);
extern volatile u32 ticks;

void ring0_checks(void);
void paging_checks(void);
void exception_checks(void);
void self_modifying_checks(void);

enum {
  SYS_EXIT,
  SYS_TICKS,
  SYS_CHECK,
  SYS_MIX,
  SYS_YIELD,
  SYS_CODE
};

// Entries of the ring-3 tasks, in the user pages.
void user_primes(void);
void user_calls(void);
void user_sensitive(void);
void user_x87(void);
void user_sse(void);
void user_code_writer(void);
