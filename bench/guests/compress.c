// An LZ77 compressor with a hash table of positions, and its decompressor. A unit is 16 KiB of text, there and back.
#include <string.h>

#include "bench/guests/bench.h"

enum {
  SIZE = 16384,
  HASHES = 4096,
  SHORTEST = 4,
  LONGEST = 255 + SHORTEST
};

static uint8_t text[SIZE], packed[SIZE * 2], back[SIZE];
static uint16_t heads[HASHES];

static void make_text(void) {
  static const char* const words[] = {"memory", "page", "window", "guest", "host", "the", "of",    "and", "is",
                                      "fault",  "a",    "mapped", "walks", "in",   "to",  "table", "by",  "every"};
  uint32_t random = 99;
  unsigned at = 0;
  while (at < SIZE) {
    const char* word = words[bench_random(&random) % (sizeof words / sizeof words[0])];
    while (*word && at < SIZE) text[at++] = (uint8_t)*word++;
    if (at < SIZE) text[at++] = ' ';
  }
}

static unsigned hash_at(const uint8_t* p) {
  uint32_t word;
  memcpy(&word, p, 4);
  return (word * 2654435761u) >> 20;
}

// A literal is 0 and the byte; a match is its length (less SHORTEST, plus 1 as a byte) and a distance of 2 bytes.
static unsigned pack(void) {
  unsigned out = 0;
  unsigned at = 0;
  memset(heads, 0, sizeof heads);
  while (at < SIZE) {
    unsigned length = 0;
    unsigned from = 0;
    if (at + SHORTEST <= SIZE) {
      const unsigned hash = hash_at(text + at);
      from = heads[hash];
      heads[hash] = (uint16_t)at;
      while (from < at && at + length < SIZE && length < LONGEST - 1 && text[from + length] == text[at + length])
        ++length;
    }
    if (length >= SHORTEST) {
      packed[out++] = (uint8_t)(length - SHORTEST + 1);
      packed[out++] = (uint8_t)(at - from);
      packed[out++] = (uint8_t)((at - from) >> 8);
      at += length;
    } else {
      packed[out++] = 0;
      packed[out++] = text[at++];
    }
  }
  return out;
}

static void unpack(unsigned size) {
  unsigned out = 0;
  for (unsigned in = 0; in < size;) {
    if (packed[in] == 0) {
      back[out++] = packed[in + 1];
      in += 2;
    } else {
      const unsigned length = packed[in] - 1u + SHORTEST;
      const unsigned distance = packed[in + 1] | (unsigned)packed[in + 2] << 8;
      for (unsigned i = 0; i < length; ++i, ++out) back[out] = back[out - distance];
      in += 3;
    }
  }
}

uint32_t row_compress(uint32_t units) {
  make_text();
  uint32_t sum = 0;
  bench_begin();
  for (uint32_t unit = 0; unit < units; ++unit) {
    const unsigned size = pack();
    unpack(size);
    sum = bench_mix(sum, size + back[unit % SIZE]);
    text[(unit * 61) % SIZE] = (uint8_t)('a' + unit % 26);
  }
  bench_end();
  return sum;
}
