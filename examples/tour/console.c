// COM1, and the table of checks.
#include "tour.h"

enum {
  COM1 = 0x3F8,
  DIVISOR_LATCH = 0x80,
  EIGHT_BITS = 0x03,
  TRANSMITTER_EMPTY = 0x20,
  MAX_CHECKS = 192
};

static struct check checks[MAX_CHECKS];
static u32 used;

static const char* const vector_names[32] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "9?",  "#TS",
    "#NP", "#SS", "#GP", "#PF", "15?", "#MF", "#AC", "#MC", "#XM", "20?",
};

void console_init(void) {
  outb(COM1 + 1, 0);
  outb(COM1 + 3, DIVISOR_LATCH | EIGHT_BITS);
  outb(COM1 + 0, 1);
  outb(COM1 + 1, 0);
  outb(COM1 + 3, EIGHT_BITS);
  outb(COM1 + 2, 0x07);
  outb(COM1 + 4, 0x03);
}

static void put_char(char c) {
  while ((inb(COM1 + 5) & TRANSMITTER_EMPTY) == 0) {
  }
  outb(COM1, (u8)c);
}

void put_text(const char* text) {
  for (; *text != 0; ++text) {
    if (*text == '\n') put_char('\r');
    put_char(*text);
  }
}

void put_line(const char* text) {
  put_text(text);
  put_text("\n");
}

void put_padded(const char* text, u32 width) {
  put_text(text);
  for (u32 n = 0; n < width; ++n) {
    if (*text != 0) {
      ++text;
    } else {
      put_char(' ');
    }
  }
}

void put_hex(u32 value, u32 digits) {
  while (digits-- > 0) put_char("0123456789abcdef"[(value >> (digits * 4)) & 15]);
}

void put_number(u32 value) {
  if (value >= 10) put_number(value / 10);
  put_char((char)('0' + value % 10));
}

static void add(u32 ring, u32 kind, const char* name, u32 got, u32 want) {
  if (used == MAX_CHECKS) {
    put_line("tour: too many checks");
    return;
  }
  checks[used++] = (struct check){name, ring, kind, got, want};
}

void check_value(u32 ring, const char* name, u32 got, u32 want) { add(ring, KIND_VALUE, name, got, want); }
void check_fault(u32 ring, const char* name, u32 got, u32 want) { add(ring, KIND_FAULT, name, got, want); }
u32 count_checks(void) { return used; }

static void put_result(const struct check* check, u32 value) {
  if (check->kind == KIND_VALUE) {
    put_hex(value, 8);
    put_text("  ");
  } else if (value == NO_FAULT) {
    put_text("no fault  ");
  } else {
    put_text(vector_names[(value >> 16) & 31]);
    put_text("(");
    put_hex(value & 0xFFFF, 4);
    put_text(") ");
  }
}

u32 print_checks(void) {
  u32 failed = 0;
  put_line("ring  instruction or event                        result     ");
  put_line("----  ------------------------------------------  ---------- -------------");
  for (u32 i = 0; i < used; ++i) {
    const struct check* check = &checks[i];
    put_text("  ");
    put_number(check->ring);
    put_text("   ");
    put_padded(check->name, 44);
    put_result(check, check->got);
    if (check->got == check->want) {
      put_line(" OK");
    } else {
      put_text(" WRONG, want ");
      put_result(check, check->want);
      put_line("");
      ++failed;
    }
  }
  return failed;
}
