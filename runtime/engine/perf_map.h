// Names for translated code in profiles: the text file in which perf(1) looks up addresses that belong to no binary.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace ringshift::engine {

// /tmp/perf-PID.map: one line "START SIZE NAME", in hexadecimal, for each piece of code.
class PerfMap {
 public:
  // Null with one readable line in `error` if the file cannot be written.
  static std::unique_ptr<PerfMap> create(std::string& error);

  void add(std::uint64_t start, std::uint64_t size, std::string_view name);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  explicit PerfMap(std::FILE* file) : file_(file) {}

  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace ringshift::engine
