; Waits for the power button, as an operating system with ACPI does: by the SCI, through the I/O APIC if there is one and
; else through the 8259s. Says R on the serial port when it waits, and powers off when the button has been pressed; ends
; with a number if the interrupt was another.
%define BASE 0x200000
%include "multiboot.inc"
%include "interrupts.inc"

%define APIC 0xFEE00000
%define IO_APIC 0xFEC00000
%define PM1_STATUS 0x600
%define PM1_ENABLE 0x602
%define PM1_CONTROL 0x604
%define BUTTON 0x100

start:
  mov esp, 0x2A0000
  gate 0x29, on_sci
  lidt [idtr]
  start_8259s
  mov eax, 1
  cpuid
  test edx, 0x200
  jnz .apic
  mask_8259s 0xFB, 0xFD
  jmp .enable
.apic:
  mask_8259s 0xFF, 0xFF
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

align 8

image_end:
