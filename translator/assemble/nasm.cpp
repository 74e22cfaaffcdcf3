#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "translator/assemble/assemble.h"

extern char** environ;

namespace ringshift::assemble {
namespace {

// A folder of our own for what goes to nasm and comes back.
class Workspace {
 public:
  Workspace() {
    std::error_code error;
    std::string name = (std::filesystem::temp_directory_path(error) / "ringshift-XXXXXX").string();
    if (!error && mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Workspace() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  [[nodiscard]] bool ok() const { return !path_.empty(); }
  [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

// Runs nasm; -1: there is none.
int spawn_nasm(const std::string& source, const std::string& code, const std::string& messages) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, messages.c_str(), O_WRONLY | O_CREAT, 0600);
  std::array<std::string, 6> words{"nasm", "-fbin", "-o", code, source, ""};
  std::array<char*, 6> argv{};
  for (std::size_t i = 0; i + 1 < words.size(); ++i) argv[i] = words[i].data();
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, "nasm", &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return -1;
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// "<file>:3: error: symbol `x' undefined" without the file's name; ours has two lines before the first of the text.
std::string first_message(const std::string& file, const std::string& source) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  if (line.starts_with(source + ":")) line.erase(0, source.size() + 1);
  const std::size_t colon = line.find(": ");
  return colon == std::string::npos ? line : line.substr(colon + 2);
}

}  // namespace

std::variant<std::vector<std::uint8_t>, std::string> run_nasm(std::string_view text, int bits, std::uint32_t origin) {
  const Workspace workspace;
  if (!workspace.ok()) return "no temporary folder for nasm";
  const std::string source = workspace.file("code.asm");
  const std::string code = workspace.file("code");
  const std::string messages = workspace.file("messages");
  std::string lines(text);
  std::ranges::replace(lines, ';', '\n');
  std::ofstream(source) << "bits " << bits << "\norg " << origin << '\n' << lines << '\n';

  const int status = spawn_nasm(source, code, messages);
  if (status == -1) return fmt::format("'{}' needs nasm, which is not installed", text);
  if (status != 0) return fmt::format("'{}': {}", text, first_message(messages, source));
  std::ifstream image(code, std::ios::binary);
  return std::vector<std::uint8_t>(std::istreambuf_iterator<char>(image), {});
}

}  // namespace ringshift::assemble
