#include "cli/bench/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace ringshift::cli {
namespace {

constexpr std::array kGroups{
    BenchGroup{"compute", "computation", 1.15, 1.6},
    BenchGroup{"float", "floating point", 0, 1.05},
    BenchGroup{"code", "code that is written and run", 0, 5},
    BenchGroup{"system", "system work", 4, 0},
    BenchGroup{"shell", "shell scripts", 0, 2},
};

constexpr std::array kRows{
    BenchRow{"hash", "compute", "SHA-256 of 4 KiB", 0, true},
    BenchRow{"sort", "compute", "quicksort of 4,096 numbers", 0, true},
    BenchRow{"compress", "compute", "16 KiB of text packed and unpacked", 0, true},
    BenchRow{"recursion", "compute", "fibonacci(15) and tak(8, 4, 2)", 0, true},
    BenchRow{"bytecode", "compute", "Collatz sequence in an interpreter", 0, true},
    BenchRow{"virtual", "compute", "512 virtual calls", 0, true},
    BenchRow{"functions", "compute", "1,024 calls among 2,048 functions", 0, true},
    BenchRow{"chase-small", "compute", "1,024 dependent loads in 64 KiB", 0, true},
    BenchRow{"chase-large", "compute", "1,024 dependent loads in 32 MiB", 0, true},
    BenchRow{"strings", "compute", "string instructions on 16 to 4,096 bytes", 0, true},
    BenchRow{"bignum", "compute", "1,024-bit product, sum, shift", 0, true},
    BenchRow{"matrix-x87", "float", "product of 32x32 matrices, x87", 0, true},
    BenchRow{"matrix-sse2", "float", "product of 32x32 matrices, SSE2", 0, true},
    BenchRow{"jit", "code", "24 operations compiled, run 1,000 times", 0, true},
    BenchRow{"rewrite", "code", "a constant in code changed, one call", 0, true},
    BenchRow{"getpid", "system", "null system call", 2, true},
    BenchRow{"pipe", "system", "ping-pong between two processes", 6, true},
    BenchRow{"fork", "system", "fork, exit, wait", 6, true},
    BenchRow{"exec", "system", "fork, execve, exit, wait", 6, true},
    BenchRow{"mmap", "system", "64 KiB mapped, a page written, unmapped", 0, true},
    BenchRow{"touch", "system", "first write to a page", 5, true},
    BenchRow{"signal", "system", "signal to oneself, handler, return", 0, true},
    BenchRow{"file", "system", "file created, written, unlinked", 0, true},
    BenchRow{"shell-loop", "shell", "round of a loop in the shell alone", 0, false},
    BenchRow{"shell-text", "shell", "line through awk, grep, sed, sort, uniq", 0, false},
    BenchRow{"shell-tools", "shell", "round of files, tests and small tools", 0, false},
};

}  // namespace

std::span<const BenchGroup> bench_groups() { return kGroups; }
std::span<const BenchRow> bench_rows() { return kRows; }

const BenchGroup& group_of(const BenchRow& row) { return *std::ranges::find(kGroups, row.group, &BenchGroup::name); }

double limit_of(const BenchRow& row) { return row.limit != 0 ? row.limit : group_of(row).row_limit; }

std::vector<std::string_view> split_list(std::string_view list) {
  std::vector<std::string_view> parts;
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    parts.push_back(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return parts;
}

std::variant<std::vector<BenchRow>, std::string> select_bench_rows(std::string_view list) {
  const std::vector<std::string_view> names = split_list(list);
  for (const std::string_view name : names) {
    const auto is_named = [&](const BenchRow& row) { return row.name == name || row.group == name; };
    if (!std::ranges::any_of(kRows, is_named)) {
      return fmt::format("--rows: '{}' is no row and no group; see ringshift bench --list", name);
    }
  }
  std::vector<BenchRow> rows;
  std::ranges::copy_if(kRows, std::back_inserter(rows), [&](const BenchRow& row) {
    const auto names_it = [&](std::string_view name) { return row.name == name || row.group == name; };
    return names.empty() || std::ranges::any_of(names, names_it);
  });
  return rows;
}

}  // namespace ringshift::cli
