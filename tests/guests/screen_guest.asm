; A boot sector that goes through video modes of the VGA's BIOS. It says a letter on the first serial port after each
; picture, and goes on when a key is pressed.
bits 16
org 0x7C00

%define VBE_INFO 0x8000
%define VBE_MODE 0x144         ; 1024x768, 32 bits
%define PIXELS (1024 * 768)

start:
  xor ax, ax
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0x7C00

  ; a: 320x200, 256 colours: pixel i has colour i.
  mov ax, 0x0013
  int 0x10
  push 0xA000
  pop es
  xor di, di
  mov cx, 64000
.mode13:
  mov ax, di
  stosb
  loop .mode13
  mov al, 'a'
  call next

  ; b: 640x480, 16 colours: row y has colour (480 - y) mod 16, through write mode 2.
  mov ax, 0x0012
  int 0x10
  mov dx, 0x3CE
  mov ax, 0x0205
  out dx, ax
  push 0xA000
  pop es
  xor di, di
  mov bx, 480
.mode12:
  mov ax, bx
  mov cx, 80
  rep stosb
  dec bx
  jnz .mode12
  mov al, 'b'
  call next

  ; c: a linear frame buffer: pixel i has colour i.
  push 0
  pop es
  mov ax, 0x4F01
  mov cx, VBE_MODE
  mov di, VBE_INFO
  int 0x10
  mov ax, 0x4F02
  mov bx, 0x4000 | VBE_MODE
  int 0x10
  mov edx, draw
  call protected
  mov al, 'c'
  call next

  ; d: one more pixel.
  mov edx, dot
  call protected
  mov al, 'd'
  call next

  ; e: all of it, 60 times.
  mov edx, redraw
  call protected
  mov al, 'e'
  call next

  ; f: text.
  mov ax, 0x0003
  int 0x10
  mov ax, 0x0E40
  mov bx, 0x0007
  int 0x10
  mov al, 'f'
  call next
.end:
  hlt
  jmp .end

next:
  mov dx, 0x3F8
  out dx, al
  mov ah, 0
  int 0x16
  ret

; Calls edx in 32-bit protected mode.
protected:
  cli
  lgdt [gdtr]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp 0x08:.in
bits 32
.in:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov edi, [VBE_INFO + 0x28]
  mov ecx, PIXELS
  xor eax, eax
  call edx
  jmp 0x18:.out
bits 16
.out:
  mov ax, 0x20
  mov ds, ax
  mov es, ax
  mov eax, cr0
  and al, 0xFE
  mov cr0, eax
  jmp 0:.real
.real:
  xor ax, ax
  mov ds, ax
  mov es, ax
  sti
  ret

bits 32
draw:
  stosd
  inc eax
  loop draw
  ret
dot:
  mov dword [edi + 4 * (1024 * 500 + 7)], 0xFF00FF
  ret
redraw:
  mov ebx, 60
.frame:
  push edi
  mov ecx, PIXELS
  mov eax, ebx
  rep stosd
  pop edi
  dec ebx
  jnz .frame
  ret

align 8
gdt:
  dq 0
  dq 0x00CF9A000000FFFF
  dq 0x00CF92000000FFFF
  dq 0x00009A000000FFFF
  dq 0x000092000000FFFF
gdtr:
  dw gdtr - gdt - 1
  dd gdt

  times 510 - ($ - $$) db 0
  dw 0xAA55
