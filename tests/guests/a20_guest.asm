; Checks what the A20 gate does to data, code and page tables. Ends with 0, or with the number of what was wrong.
; Everything stands in even megabytes, which the gate does not move.
%define BASE 0x200000
%include "multiboot.inc"

%define EVEN 0x280000           ; a page of data
%define ODD (EVEN | 0x100000)   ; the page that A20 tells from it
%define DIRECTORY 0x290000
%define TABLE 0x291000
%define HIGH_PAGE 0x400000      ; linear, leads to ODD

; Masks or enables the line, through port 92h and through the keyboard controller's output port.
%macro port92 1
  in al, 0x92
  and al, 0xFC
  or al, (%1) << 1
  out 0x92, al
%endmacro
%macro output_port 1
  mov al, 0xD1
  out 0x64, al
  mov al, 0xDD | (%1) << 1
  out 0x60, al
%endmacro
%macro command 1
  mov al, 0xDD | (%1) << 1
  out 0x64, al
%endmacro

; The two pages hold these values now, as the CPU sees them.
%macro expect 3  ; number, at EVEN, at ODD
  cmp dword [EVEN], %2
  fail_if %1, ne
  cmp dword [ODD], %3
  fail_if %1, ne
%endmacro

%macro gate 2  ; number of the first check, name of the way
  mov dword [EVEN], 11
  mov dword [ODD], 22
  expect %1, 11, 22
  %2 0
  expect %1 + 1, 11, 11
  mov dword [ODD], 33
  expect %1 + 2, 33, 33
  %2 1
  expect %1 + 3, 33, 22
%endmacro

start:
  mov esp, 0x2A0000
  gate 1, port92
  gate 5, output_port
  gate 9, command

  ; What one switch masks the other enables.
  port92 0
  command 1
  expect 13, 33, 22

  ; Real mode's wrap: FFFF:0010 is address 0.
  mov dword [0x100000], 44
  mov dword [0], 55
  command 0
  cmp dword [0x100000], 55
  fail_if 14, ne
  command 1
  cmp dword [0x100000], 44
  fail_if 15, ne

  ; Code runs through the alias, and is forgotten when either of its addresses is written.
  mov dword [EVEN], 0x000001B8  ; mov eax, 1; ret
  mov word [EVEN + 4], 0xC300
  mov dword [ODD], 0x000009B8   ; mov eax, 9; ret
  mov word [ODD + 4], 0xC300
  mov ebx, ODD
  call ebx
  cmp eax, 9
  fail_if 16, ne
  command 0
  mov ecx, 100
.again:
  call ebx
  cmp eax, 1
  fail_if 17, ne
  loop .again
  mov byte [ODD + 1], 2
  mov esi, EVEN
  call esi
  cmp eax, 2
  fail_if 18, ne
  mov byte [EVEN + 1], 3
  call ebx
  cmp eax, 3
  fail_if 19, ne
  command 1
  call ebx
  cmp eax, 9
  fail_if 20, ne
  call esi
  cmp eax, 3
  fail_if 21, ne

  ; Toggles in a loop.
  mov ecx, 2000
.toggle:
  command 0
  call ebx
  cmp eax, 3
  fail_if 22, ne
  command 1
  call ebx
  cmp eax, 9
  fail_if 23, ne
  dec ecx
  jnz .toggle

  ; Page tables: large pages, small pages, and a directory that the gate hides.
  mov dword [DIRECTORY], 0x083
  mov dword [DIRECTORY + 4], TABLE + 3
  mov dword [TABLE], ODD + 3
  mov eax, cr4
  or al, 0x10
  mov cr4, eax
  mov eax, DIRECTORY
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
  mov dword [EVEN], 66
  mov dword [ODD], 77
  expect 24, 66, 77
  cmp dword [HIGH_PAGE], 77
  fail_if 25, ne
  command 0
  expect 26, 66, 66
  cmp dword [HIGH_PAGE], 66
  fail_if 27, ne
  mov dword [HIGH_PAGE], 88
  expect 28, 88, 88
  mov eax, DIRECTORY | 0x100000
  mov cr3, eax
  expect 29, 88, 88
  mov eax, DIRECTORY
  mov cr3, eax
  command 1
  expect 30, 88, 77
  cmp dword [HIGH_PAGE], 77
  fail_if 31, ne
  passed

image_end:
