; Waits for the power button, as an operating system with ACPI does: by the SCI, through the I/O APIC if there is one and
; else through the 8259s. Says R on the serial port when it waits, and powers off when the button has been pressed; ends
; with a number if the interrupt was another.
%define BASE 0x200000
%include "multiboot.inc"

%define IDT 0x220000
%define APIC 0xFEE00000
%define IO_APIC 0xFEC00000
%define PM1_STATUS 0x600
%define PM1_ENABLE 0x602
%define PM1_CONTROL 0x604
%define BUTTON 0x100

%macro gate 2
  mov eax, %2
  mov edi, IDT + 8 * %1
  call set_gate
%endmacro
%macro out8 2
  mov al, %2
  out %1, al
%endmacro

start:
  mov esp, 0x2A0000
  gate 0x29, on_sci
  lidt [idtr]
  out8 0x20, 0x11
  out8 0x21, 0x20
  out8 0x21, 0x04
  out8 0x21, 0x01
  out8 0xA0, 0x11
  out8 0xA1, 0x28
  out8 0xA1, 0x02
  out8 0xA1, 0x01
  mov eax, 1
  cpuid
  test edx, 0x200
  jnz .apic
  out8 0x21, 0xFB
  out8 0xA1, 0xFD
  jmp .enable
.apic:
  out8 0x21, 0xFF
  out8 0xA1, 0xFF
  mov dword [APIC + 0xF0], 0x1FF
  mov dword [IO_APIC], 0x10 + 2 * 9 + 1
  mov dword [IO_APIC + 0x10], 0
  mov dword [IO_APIC], 0x10 + 2 * 9
  mov dword [IO_APIC + 0x10], 0x8029  ; level
.enable:
  out8 0xB2, 0xF1
  mov dx, PM1_CONTROL
  in ax, dx
  test al, 1
  fail_if 1, z
  mov dx, PM1_ENABLE
  mov ax, BUTTON
  out dx, ax
  sti
  mov dx, 0x3F8
  mov al, 'R'
  out dx, al
.wait:
  hlt
  jmp .wait

on_sci:
  mov dx, PM1_STATUS
  in ax, dx
  test ax, BUTTON
  fail_if 2, z
  mov ax, BUTTON
  out dx, ax
  in ax, dx
  test ax, BUTTON
  fail_if 3, nz
  mov dx, PM1_CONTROL
  mov ax, 0x2000
  out dx, ax
  hlt

set_gate:  ; eax: handler, edi: gate
  mov [edi], ax
  mov cx, cs
  mov [edi + 2], cx
  shr eax, 16
  mov word [edi + 4], 0x8E00
  mov [edi + 6], ax
  ret

align 8
idtr dw 256 * 8 - 1
  dd IDT

image_end:
