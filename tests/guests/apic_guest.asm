; Checks what the local APIC does to the CPU: its own interrupts, priorities, NMIs, the base register. Ends with 0, or with
; the number of what was wrong.
%define BASE 0x200000
%include "multiboot.inc"
%include "interrupts.inc"

%define APIC 0xFEE00000
%define MOVED 0xE0000000
%define APIC_BASE 0x1B

start:
  mov esp, 0x2A0000
  gate 2, on_nmi
  gate 0x50, on_low
  gate 0x60, on_high
  lidt [idtr]
  mask_8259s 0xFF, 0xFF
  mov dword [APIC + 0xF0], 0x1FF

  ; An interrupt to itself comes with IF, and at once.
  mov dword [APIC + 0x300], 0x40050
  nop
  cmp dword [low], 0
  fail_if 1, ne
  sti
  nop
  cli
  cmp dword [low], 1
  fail_if 2, ne

  ; A handler is interrupted by a higher class: on_low sends 60h.
  cmp dword [order], 0x6050
  fail_if 3, ne

  ; The task priority keeps back what is not above it.
  sti
  mov dword [APIC + 0x80], 0x50
  mov dword [APIC + 0x300], 0x40050
  nop
  cmp dword [low], 1
  fail_if 4, ne
  mov dword [APIC + 0x80], 0
  nop
  cmp dword [low], 2
  fail_if 5, ne
  cli

  ; HLT ends by the timer, once.
  mov dword [APIC + 0x320], 0x50
  mov dword [APIC + 0x3E0], 0xB
  mov dword [APIC + 0x380], 25000
  sti
  hlt
  cli
  cmp dword [low], 3
  fail_if 6, ne
  cmp dword [APIC + 0x390], 0
  fail_if 7, ne

  ; An NMI does not ask for IF. Another one waits for IRET; of a third nothing is left.
  mov dword [APIC + 0x300], 0x40400
  nop
  cmp dword [nmis], 2
  fail_if 8, ne
  cmp dword [deepest], 1
  fail_if 9, ne
  ; In a loop of translated code, from a HLT, and behind mov ss.
  mov ecx, 1000
.again:
  mov dword [nmis], 1
  mov dword [APIC + 0x300], 0x40400
  nop
  cmp dword [nmis], 2
  fail_if 10, ne
  dec ecx
  jnz .again

  ; The base register: off, the CPU has no APIC; on again, it is as after a reset; elsewhere, it is there.
  mov eax, 1
  cpuid
  test edx, 0x200
  fail_if 11, z
  mov ecx, APIC_BASE
  rdmsr
  and eax, ~0x800
  wrmsr
  mov eax, 1
  cpuid
  test edx, 0x200
  fail_if 12, nz
  cmp dword [APIC + 0x30], 0xFFFFFFFF
  fail_if 13, ne
  mov ecx, APIC_BASE
  mov eax, MOVED | 0x800
  xor edx, edx
  wrmsr
  cmp dword [APIC + 0x30], 0xFFFFFFFF
  fail_if 14, ne
  cmp dword [MOVED + 0x30], 0x00050014
  fail_if 15, ne
  cmp dword [MOVED + 0xF0], 0xFF
  fail_if 16, ne
  passed

on_low:
  push eax
  inc dword [low]
  mov byte [order], 0x50
  cmp dword [low], 1
  jne .end
  mov dword [APIC + 0x300], 0x40060
  sti
  nop
  cli
.end:
  mov dword [APIC + 0xB0], 0
  pop eax
  iret

on_high:
  mov byte [order + 1], 0x60
  mov dword [APIC + 0xB0], 0
  iret

on_nmi:
  push eax
  inc dword [nesting]
  inc dword [nmis]
  mov eax, [nesting]
  cmp eax, [deepest]
  jbe .known
  mov [deepest], eax
.known:
  cmp dword [nmis], 1
  jne .end
  mov dword [APIC + 0x300], 0x40400
  mov dword [APIC + 0x300], 0x40400
  nop
  nop
.end:
  dec dword [nesting]
  pop eax
  iret

align 8
low dd 0
order dd 0
nmis dd 0
nesting dd 0
deepest dd 0

image_end:
