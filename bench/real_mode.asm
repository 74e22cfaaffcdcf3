; A program in the place of firmware: a sieve, and a sum with a call for each byte, in real mode; then port F4h (isa-debug-exit)
; is written: 1 if the sum is right. -DROUNDS=n says how often.
bits 16
org 0
start:
  cli
  mov ax, 0x1000
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov sp, 0
  mov bp, ROUNDS
round:
  ; 60000 bytes of 1
  xor di, di
  mov cx, 30000
  mov ax, 0x0101
  cld
  rep stosw
  mov si, 2
.next:
  cmp byte [si], 0
  je .composite
  mov ax, si
  add ax, ax
  jc .composite
  mov di, ax
.strike:
  cmp di, 60000
  jae .composite
  mov byte [di], 0
  add di, si
  jnc .strike
.composite:
  inc si
  cmp si, 60000
  jb .next
  ; sum with a call for each byte
  xor bx, bx
  xor si, si
.sum:
  call add_one
  cmp si, 60000
  jb .sum
  dec bp
  jnz round
  cmp bx, 6057 + 2
  mov al, 1
  je .out
  mov al, 2
.out:
  out 0xf4, al
  hlt
add_one:
  push ax
  lodsb
  xor ah, ah
  add bx, ax
  pop ax
  ret
times 0xfff0-($-$$) db 0xf4
  jmp 0xf000:start
times 0x10000-($-$$) db 0
