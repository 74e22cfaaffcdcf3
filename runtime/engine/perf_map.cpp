#include "runtime/engine/perf_map.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace ringshift::engine {

std::unique_ptr<PerfMap> PerfMap::create(std::string& error) {
  const std::string path = fmt::format("/tmp/perf-{}.map", getpid());
  // Appended to: a process may have several machines. No link is followed: anybody may write there.
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
  std::FILE* file = fd < 0 ? nullptr : fdopen(fd, "a");
  if (file == nullptr) {
    error = fmt::format("{}: {}", path, std::strerror(errno));
    return nullptr;
  }
  return std::unique_ptr<PerfMap>(new PerfMap(file));
}

void PerfMap::add(std::uint64_t start, std::uint64_t size, std::string_view name) {
  fmt::print(file_.get(), "{:x} {:x} {}\n", start, size, name);
}

}  // namespace ringshift::engine
