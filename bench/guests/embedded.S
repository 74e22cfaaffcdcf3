        .section .rodata
        .balign 16
        .globl ringshift_bench_guest_begin, ringshift_bench_guest_end
ringshift_bench_guest_begin:
        .incbin BENCH_GUEST_IMAGE
ringshift_bench_guest_end:
        .section .note.GNU-stack, "", @progbits
