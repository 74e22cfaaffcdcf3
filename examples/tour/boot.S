// Entry from the boot loader, and the stubs through which every interrupt and exception comes in.

        .set MULTIBOOT_MAGIC, 0x1BADB002
        .set MULTIBOOT_FLAGS, 3         // modules on pages, memory map

        .section .multiboot, "a"
        .balign 4
        .long MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

        .text
        .globl _start
_start:
        mov     $boot_stack_top, %esp
        push    $0
        popfl
        push    %ebx
        push    %eax
        call    tour_main
1:      cli
        hlt
        jmp     1b

// One stub a vector. Vectors without an error code get a zero in its place.
        .macro  STUB vector
        .balign 16
        .if (\vector == 8) || (\vector >= 10 && \vector <= 14) || (\vector == 17)
        .else
        push    $0
        .endif
        push    $\vector
        jmp     common_entry
        .endm

        .balign 16
        .globl trap_stubs
trap_stubs:
        .set vector, 0
        .rept 129
        STUB    vector
        .set vector, vector + 1
        .endr

common_entry:
        pusha
        push    %ds
        push    %es
        push    %fs
        push    %gs
        mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        cld
        push    %esp
        call    on_trap
        mov     %eax, %esp              // maybe another task's frame
        .globl resume_frame
resume_frame:
        pop     %gs
        pop     %fs
        pop     %es
        pop     %ds
        popa
        add     $8, %esp
        iretl

        .bss
        .balign 16
        .skip   16384
boot_stack_top:
        .section .note.GNU-stack, "", @progbits
