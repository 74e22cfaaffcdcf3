#!/bin/bash
# The style checks themselves: each passes a good tree and finds its defect in a bad one.
set -uo pipefail
checks=$(cd "$(dirname "$0")/../../scripts/style" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

# file PATH TEXT: a file of the tree.
file() { mkdir -p "$tree/$(dirname "$1")"; printf '%b\n' "$2" >"$tree/$1"; }

# expect RESULT CHECK STORY [TEXT]: CHECK must pass, or fail and print TEXT; then the tree is emptied.
expect() {
  local result=pass output
  output=$("$checks/$2" "$tree") || result=fail
  if [[ $result != "$1" || $output != *"${4:-}"* ]]; then
    printf 'FAIL %s: %s\n  expected %s %s, got %s: %s\n' "$2" "$3" "$1" "${4:-}" "$result" "$output"
    failures=$((failures + 1))
  fi
  rm -rf "${tree:?}"/*
}

file runtime/state/cpu.h ''
file runtime/semantics/alu.cpp '#include "runtime/state/cpu.h"'
file runtime/machine/board.cpp '#include "runtime/state/cpu.h"'
expect pass includes 'a part may include what it uses, directly or not'

file mmu/walk.h ''
file runtime/state/cpu.h '#include "mmu/walk.h"'
expect fail includes 'nothing points back up' 'runtime/state/cpu.h:1: state may not include mmu'

file translator/emit/alu.h ''
file translator/verify/rules.cpp '\n#include "translator/emit/alu.h"'
expect fail includes 'the verifier knows no emitter' 'rules.cpp:2: verify may not include translator'

file tests/support/lab.h ''
file cli/main.cpp '#include "tests/support/lab.h"'
expect fail includes 'the program knows no tests' 'cli may not include tests'

file mmu/walk.h ''
file mmu/walk.cpp '#include "walk.h"'
expect fail includes 'includes are paths from the root' 'no file walk.h'

file gadgets/new.cpp '#include "gadgets/new.h"'
file gadgets/new.h ''
expect fail includes 'a new part must be put in its place' 'gadgets is not in the table'

file mmu/long.cpp "$(seq 600)"
expect pass sizes 'a file of 600 lines'
file mmu/long.cpp "$(seq 601)"
expect fail sizes 'a file of 601 lines' 'mmu/long.cpp: 601 lines'

file docs/A.md 'see [B](B.md#part), [site](https://example.org/x) and `docs/B.md`'
file docs/B.md ''
expect pass links 'links to files that exist'
file docs/A.md 'see [B](B.md)'
expect fail links 'a dead link' 'dead link to B.md'
file docs/A.md 'see `mmu/gone.h`'
expect fail links 'a path that is gone' 'there is no mmu/gone.h'

((failures == 0)) && echo 'all checks find what they should'
