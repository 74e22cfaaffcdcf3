// Tasks of ring 3, switched by the timer; system calls; and the floating-point state, which moves to
// another task only when that task uses it.
#include "tour.h"

enum {
  TASKS = 6,
  KERNEL_STACK = 4096,
  CR0_TS = 8,
  CR0_EM = 4,
  CR0_MP = 2,
  CR0_NE = 0x20,
  CR4_OSFXSR = 0x200,
  IF = 0x200
};

struct task {
  u8 stack[KERNEL_STACK];
  u8 fx[512] __attribute__((aligned(16)));
  struct frame* frame;
  u32 cr3;
  u32 running;
  u32 switches;
  u32 float_loads;
};

static struct task tasks[TASKS] __attribute__((aligned(16)));
static struct frame* idle_frame;
static struct task* current;  // 0: the kernel's own, which waits
static struct task* float_owner;

static void (*const entries[TASKS])(void) = {user_primes, user_calls, user_sensitive,
                                             user_x87,    user_sse,   user_code_writer};

u32 current_cr3(void) { return current != 0 ? current->cr3 : 0; }

void tasks_start(void) {
  u32 cr4;
  __asm__ volatile("movl %%cr4, %0" : "=r"(cr4));
  __asm__ volatile("movl %0, %%cr4" : : "r"(cr4 | CR4_OSFXSR));
  u32 cr0;
  __asm__ volatile("movl %%cr0, %0" : "=r"(cr0));
  cr0 = (cr0 & ~(u32)CR0_EM) | CR0_MP | CR0_NE;
  __asm__ volatile("movl %0, %%cr0\n\tfninit" : : "r"(cr0 & ~(u32)CR0_TS));
  for (u32 i = 0; i < TASKS; ++i) {
    struct task* task = &tasks[i];
    __asm__ volatile("fxsave %0" : "=m"(task->fx));
    task->cr3 = new_address_space();
    task->frame = (struct frame*)(task->stack + KERNEL_STACK) - 1;
    *task->frame = (struct frame){.ds = USER_DS,
                                  .es = USER_DS,
                                  .eip = (u32)entries[i],
                                  .cs = USER_CS,
                                  .eflags = IF | 2,
                                  .esp = STACK_TOP - 16,
                                  .ss = USER_DS};
    task->running = 1;
  }
  __asm__ volatile("movl %0, %%cr0" : : "r"(cr0 | CR0_TS));
}

int tasks_running(void) {
  for (u32 i = 0; i < TASKS; ++i) {
    if (tasks[i].running) return 1;
  }
  return 0;
}

static struct task* next_task(void) {
  const u32 first = current != 0 ? (u32)(current - tasks) + 1 : 0;
  for (u32 i = 0; i < TASKS; ++i) {
    struct task* task = &tasks[(first + i) % TASKS];
    if (task->running) return task;
  }
  return 0;
}

struct frame* schedule(struct frame* frame) {
  if (current != 0) {
    current->frame = frame;
  } else {
    idle_frame = frame;
  }
  struct task* next = next_task();
  if (next == current) return frame;
  current = next;
  enter_address_space(current_cr3());
  u32 cr0;
  __asm__ volatile("movl %%cr0, %0" : "=r"(cr0));
  if (next != float_owner || next == 0) {
    __asm__ volatile("movl %0, %%cr0" : : "r"(cr0 | CR0_TS));
  } else {
    __asm__ volatile("clts");
  }
  if (next == 0) return idle_frame;
  ++next->switches;
  set_kernel_stack((u32)(next->stack + KERNEL_STACK));
  return next->frame;
}

// #NM: the first floating-point instruction since this task was switched to.
void float_unavailable(void) {
  __asm__ volatile("clts");
  if (float_owner == current || current == 0) return;
  if (float_owner != 0) __asm__ volatile("fxsave %0" : "=m"(float_owner->fx));
  __asm__ volatile("fxrstor %0" : : "m"(current->fx));
  float_owner = current;
  ++current->float_loads;
}

struct frame* system_call(struct frame* frame) {
  switch (frame->eax) {
    case SYS_EXIT:
      current->running = 0;
      return schedule(frame);
    case SYS_TICKS:
      frame->eax = ticks;
      return frame;
    case SYS_CHECK: {
      const struct check* check = (const struct check*)frame->ebx;
      if (check->kind == KIND_VALUE) {
        check_value(check->ring, check->name, check->got, check->want);
      } else {
        check_fault(check->ring, check->name, check->got, check->want);
      }
      return frame;
    }
    case SYS_MIX:
      frame->eax = (frame->ebx + frame->ecx) ^ frame->edx;
      return frame;
    case SYS_YIELD:
      return schedule(frame);
    default:
      frame->eax = 0xFFFFFFFF;
      return frame;
  }
}

void check_tasks(void) {
  u32 preempted = 0;
  u32 floats = 0;
  for (u32 i = 0; i < TASKS; ++i) {
    preempted += tasks[i].switches >= 3;
    floats += tasks[i].float_loads >= 3;
  }
  check_value(0, "tasks that were preempted three times", preempted, TASKS);
  check_value(0, "tasks whose x87/SSE state was switched", floats, 2);
  u32 spread = 0;  // each task has its own page at the same address
  for (u32 i = 0; i < TASKS; ++i) {
    const u32* entry = page_entry(tasks[i].cr3, HEAP_BASE);
    spread += entry != 0 && (*entry & 0x61) == 0x61;
  }
  check_value(0, "private pages at one address, A and D set", spread, TASKS);
}
