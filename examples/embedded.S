        .section .rodata
        .balign 16
        .globl ringshift_tour_begin, ringshift_tour_end
ringshift_tour_begin:
        .incbin TOUR_IMAGE
ringshift_tour_end:
        .section .note.GNU-stack, "", @progbits
