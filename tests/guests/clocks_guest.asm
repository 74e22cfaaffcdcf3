; Lets all clocks of the machine run for the seconds that the command line ends with (3 without), asleep but for their
; interrupts, and says on the first serial port how far each of them has come, in hexadecimal:
;
;   BEGIN, END                 when it began and ended, for who looks at a clock of his own
;   counter NAME TICKS         of a counter, between the two
;   interrupt NAME N FIRST LAST   how many interrupts, and the time-stamp counter at the first and the last of them
;   crystal EAX EBX ECX        CPUID leaf 15h
;
; Interrupts of the 8254 and the RTC come through the 8259s and LINT0, the HPET's through the I/O APIC.
%define BASE 0x200000
%include "multiboot.inc"
%include "interrupts.inc"

%define STACK 0x2A0000
%define APIC 0xFEE00000
%define IO_APIC 0xFEC00000
%define HPET 0xFED00000
%define PM_TIMER 0x608
%define PM_CONTROL 0x604
%define PM_HERTZ 3579545

; A clock's interrupts: number, TSC at the first, at the last.
struc clock
  .count resd 1
  .first resd 2
  .last resd 2
endstruc

%macro clock_of 1
%%at:
  times clock_size db 0
%1 equ %%at
%endmacro

%macro cmos 2  ; register, value
  out8 0x70, %1
  out8 0x71, %2
%endmacro

start:
  mov esp, STACK
  cld
  call read_command_line
  call set_up_interrupts
  mov esi, text_begin
  call print
  call start_clocks
  sti

.wait:
  hlt
  cli
  call pm_elapsed
  sti
  mov eax, [pm_ticks + 4]
  mov edx, [goal + 4]
  cmp eax, edx
  jb .wait
  ja .end
  mov eax, [pm_ticks]
  cmp eax, [goal]
  jb .wait
.end:
  cli
  rdtsc
  sub eax, [tsc_begin]
  sbb edx, [tsc_begin + 4]
  mov [tsc_ticks], eax
  mov [tsc_ticks + 4], edx
  mov eax, [HPET + 0xF0]
  mov edx, [HPET + 0xF4]
  sub eax, [hpet_begin]
  sbb edx, [hpet_begin + 4]
  mov [hpet_ticks], eax
  mov [hpet_ticks + 4], edx
  call pm_elapsed
  mov esi, text_end
  call print
  call report
  mov dx, PM_CONTROL
  mov ax, 0x2000
  out dx, ax
  hlt

; The last number of the command line.
read_command_line:
  xor ecx, ecx
  test dword [ebx], 4
  jz .known
  mov esi, [ebx + 16]
.next:
  lodsb
  test al, al
  jz .known
  sub al, '0'
  cmp al, 9
  ja .other
  movzx eax, al
  imul ecx, 10
  add ecx, eax
  jmp .next
.other:
  xor ecx, ecx
  jmp .next
.known:
  test ecx, ecx
  jnz .given
  mov ecx, 3
.given:
  mov eax, PM_HERTZ
  mul ecx
  mov [goal], eax
  mov [goal + 4], edx
  ret

set_up_interrupts:
  gate 0x20, on_pit
  gate 0x28, on_rtc
  gate 0x50, on_apic
  gate 0x60, on_hpet
  gate 0xFF, on_spurious
  gate 0x27, on_spurious
  gate 0x2F, on_spurious
  lidt [idtr]
  start_8259s
  mask_8259s 0xFA, 0xFE  ; all but the timer, the cascade and the RTC
  mov dword [APIC + 0xF0], 0x1FF
  mov dword [APIC + 0x350], 0x700  ; LINT0: the 8259s
  ret

start_clocks:
  ; 8254, channel 0: a square wave of 18.2 Hz. All are slow, so that a host that is late loses none.
  out8 0x43, 0x36
  out8 0x40, 0
  out8 0x40, 0
  ; RTC: 2 Hz, and each update.
  cmos 0x0A, 0x2F
  cmos 0x0B, 0x52
  cmos 0x0C, 0
  out8 0x70, 0x0C
  in al, 0x71
  ; Local APIC: 25 MHz / 16 / 312,500 = 5 Hz.
  mov dword [APIC + 0x320], 0x20050
  mov dword [APIC + 0x3E0], 0x3
  mov dword [APIC + 0x380], 312500
  ; HPET: comparator 2, each 20,000,000 ticks, by pin 20.
  mov dword [IO_APIC], 0x10 + 2 * 20 + 1
  mov dword [IO_APIC + 0x10], 0
  mov dword [IO_APIC], 0x10 + 2 * 20
  mov dword [IO_APIC + 0x10], 0x60
  mov dword [HPET + 0x10], 1
  mov dword [HPET + 0x140], 0x14C | 20 << 9
  mov eax, [HPET + 0xF0]
  add eax, 20000000
  mov [HPET + 0x148], eax
  mov dword [HPET + 0x148], 20000000
  ; Counters.
  mov eax, [HPET + 0xF0]
  mov edx, [HPET + 0xF4]
  mov [hpet_begin], eax
  mov [hpet_begin + 4], edx
  mov dx, PM_TIMER
  in eax, dx
  mov [pm_last], eax
  rdtsc
  mov [tsc_begin], eax
  mov [tsc_begin + 4], edx
  ret

; The PM timer has 24 bits.
pm_elapsed:
  mov dx, PM_TIMER
  in eax, dx
  mov edx, eax
  sub eax, [pm_last]
  mov [pm_last], edx
  and eax, 0xFFFFFF
  add [pm_ticks], eax
  adc dword [pm_ticks + 4], 0
  ret

; ---- interrupts ----

note:  ; ebx: the clock
  rdtsc
  cmp dword [ebx + clock.count], 0
  jne .last
  mov [ebx + clock.first], eax
  mov [ebx + clock.first + 4], edx
.last:
  inc dword [ebx + clock.count]
  mov [ebx + clock.last], eax
  mov [ebx + clock.last + 4], edx
  ret

on_pit:
  pusha
  mov ebx, pit_clock
  call note
  out8 0x20, 0x20
  popa
  iret

on_rtc:
  pusha
  out8 0x70, 0x0C
  in al, 0x71
  mov ecx, eax
  test cl, 0x40
  jz .no_period
  mov ebx, period_clock
  call note
.no_period:
  test cl, 0x10
  jz .no_update
  mov ebx, update_clock
  call note
.no_update:
  out8 0xA0, 0x20
  out8 0x20, 0x20
  popa
  iret

on_apic:
  pusha
  mov ebx, apic_clock
  call note
  mov dword [APIC + 0xB0], 0
  popa
  iret

on_hpet:
  pusha
  mov ebx, hpet_clock
  call note
  mov dword [APIC + 0xB0], 0
  popa
  iret

on_spurious:
  iret

; ---- the report ----

%macro say_counter 2
  mov esi, %1
  call print
  mov ebx, %2
  call print_64
  call print_newline
%endmacro

%macro say_interrupt 2
  mov esi, %1
  call print
  mov eax, [%2 + clock.count]
  call print_32
  call print_space
  mov ebx, %2 + clock.first
  call print_64
  call print_space
  mov ebx, %2 + clock.last
  call print_64
  call print_newline
%endmacro

report:
  say_counter text_tsc, tsc_ticks
  say_counter text_pm, pm_ticks
  say_counter text_hpet, hpet_ticks
  say_interrupt text_pit, pit_clock
  say_interrupt text_period, period_clock
  say_interrupt text_update, update_clock
  say_interrupt text_apic, apic_clock
  say_interrupt text_hpet_interrupt, hpet_clock
  mov eax, 0x15
  cpuid
  push ecx
  push ebx
  push eax
  mov esi, text_crystal
  call print
  mov ebp, 3
.crystal:
  pop eax
  call print_32
  call print_space
  dec ebp
  jnz .crystal
  call print_newline
  ret

print_character:  ; al
  push edx
  push eax
  mov dx, 0x3FD
.busy:
  in al, dx
  test al, 0x20
  jz .busy
  pop eax
  mov dx, 0x3F8
  out dx, al
  pop edx
  ret

print_space:
  mov al, ' '
  jmp print_character
print_newline:
  mov al, 10
  jmp print_character

print:  ; esi
  lodsb
  test al, al
  jz .end
  call print_character
  jmp print
.end:
  ret

print_64:  ; at ebx
  mov eax, [ebx + 4]
  call print_32
  mov eax, [ebx]
print_32:  ; eax
  mov ecx, 8
.digit:
  rol eax, 4
  push eax
  and eax, 15
  mov al, [digits + eax]
  call print_character
  pop eax
  loop .digit
  ret

digits db '0123456789abcdef'
text_begin db 'BEGIN', 10, 0
text_end db 'END', 10, 0
text_tsc db 'counter tsc ', 0
text_pm db 'counter pm-timer ', 0
text_hpet db 'counter hpet ', 0
text_pit db 'interrupt pit ', 0
text_period db 'interrupt rtc-periodic ', 0
text_update db 'interrupt rtc-update ', 0
text_apic db 'interrupt apic-timer ', 0
text_hpet_interrupt db 'interrupt hpet ', 0
text_crystal db 'crystal ', 0

align 8
align 8
goal dq 0
pm_ticks dq 0
pm_last dd 0
tsc_begin dq 0
tsc_ticks dq 0
hpet_begin dq 0
hpet_ticks dq 0
clock_of pit_clock
clock_of period_clock
clock_of update_clock
clock_of apic_clock
clock_of hpet_clock

image_end:
