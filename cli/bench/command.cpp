#include "cli/bench/command.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include "bench/guests/embedded.h"
#include "cli/bench/initrd.h"
#include "cli/bench/report.h"
#include "cli/exit_code.h"
#include "cli/files.h"
#include "cli/message.h"

namespace ringshift::cli {
namespace {

namespace fs = std::filesystem;
using Bytes = std::span<const std::uint8_t>;

constexpr double kSeconds = 0.3;
constexpr double kQuickSeconds = 0.05;
constexpr int kRuns = 3;

// A folder of this run alone, with what the environments are started from.
class WorkFolder {
 public:
  static std::optional<WorkFolder> create(const std::string& parent) {
    std::string path = parent + "/ringshift-bench.XXXXXX";
    if (mkdtemp(path.data()) == nullptr) return std::nullopt;
    return WorkFolder(path);
  }
  WorkFolder(WorkFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  WorkFolder& operator=(WorkFolder&&) = delete;
  ~WorkFolder() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string path(std::string_view name) const { return fmt::format("{}/{}", path_, name); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit WorkFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

bool write_file(const std::string& path, Bytes bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  file.close();
  return static_cast<bool>(file);
}

Bytes bytes_of(const std::string& text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

// A file of scripts/guests: beside the program, or where RINGSHIFT_GUESTS says. Empty if there is none.
std::string guest_file(const std::string& given, std::string_view name) {
  if (!given.empty()) return given;
  std::vector<fs::path> folders;
  if (const char* folder = std::getenv("RINGSHIFT_GUESTS")) folders.emplace_back(folder);
  std::error_code error;
  folders.push_back(fs::read_symlink("/proc/self/exe", error).parent_path() / "guests");
  folders.emplace_back("build/guests");
  for (const fs::path& folder : folders) {
    if (fs::exists(folder / name, error)) return fs::absolute(folder / name, error);
  }
  return {};
}

std::string first_line(const std::string& command) {
  std::array<char, 256> line{};
  FILE* output = popen(command.c_str(), "r");
  if (output == nullptr) return {};
  const bool got = fgets(line.data(), static_cast<int>(line.size()), output) != nullptr;
  pclose(output);
  std::string text = got ? line.data() : "";
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(": ") + 2);
  }
  return "unknown processor";
}

struct Setup {
  BenchPlan plan;
  std::vector<BenchRow> rows;
  std::string kernel, busybox, qemu_version;
  std::vector<std::string> engines;
};

std::variant<Setup, std::string> check_bench_text(const BenchText& text) {
  Setup setup;
  auto rows = select_bench_rows(text.rows);
  if (auto* error = std::get_if<std::string>(&rows)) return *error;
  setup.rows = std::get<0>(std::move(rows));
  setup.plan.seconds = text.seconds > 0 ? text.seconds : text.quick ? kQuickSeconds : kSeconds;
  setup.plan.runs = text.runs > 0 ? text.runs : text.quick ? 1 : kRuns;
  setup.plan.most_seconds = text.timeout;
  setup.plan.clock = text.clock == "cpu" ? BenchClock::cpu : BenchClock::wall;
  for (const std::string_view engine : split_list(text.engines)) {
    if (engine == "native") continue;
    if (engine != "translate" && engine != "interpret" && engine != "tcg") {
      return fmt::format("--engines: '{}' is none of native, translate, interpret, tcg", engine);
    }
    if (engine == "tcg") {
      setup.qemu_version = first_line(fmt::format("'{}' --version 2>/dev/null", text.qemu));
      if (setup.qemu_version.empty()) {
        say(fmt::format("bench: {} is not installed and left out", text.qemu));
        continue;
      }
    }
    setup.engines.emplace_back(engine);
  }
  setup.kernel = guest_file(text.kernel, "vmlinuz-686");
  setup.busybox = guest_file(text.busybox, "busybox");
  if (setup.kernel.empty() && !setup.engines.empty()) {
    return "no kernel to boot: give --kernel FILE, or obtain Debian's with scripts/guests";
  }
  if (setup.busybox.empty() && std::erase_if(setup.rows, [](const auto& row) { return row.group == "shell"; }) != 0) {
    say("bench: no busybox (--busybox FILE, or scripts/guests): the shell rows are left out");
  }
  return setup;
}

// The program and the initial RAM disk. The error is one line.
std::optional<std::string> write_guest(const WorkFolder& folder, const Setup& setup) {
  const Bytes program(ringshift_bench_guest_begin, ringshift_bench_guest_end);
  constexpr std::uint32_t kFolder = 040755;
  std::vector<InitrdEntry> entries{{"dev", kFolder}, {"proc", kFolder}, {"tmp", kFolder}, {"bin", kFolder}};
  entries.push_back({"init", 0100755, program});
  std::optional<machine::boot::Image> busybox;
  if (!setup.busybox.empty()) {
    auto image = read_image("busybox", setup.busybox);
    if (auto* error = std::get_if<std::string>(&image)) return *error;
    busybox = std::get<0>(std::move(image));
    entries.push_back({"bin/busybox", 0100755, busybox->bytes});
  }
  const bool written =
      write_file(folder.path("bench"), program) && write_file(folder.path("initrd"), make_initrd(entries));
  if (!written || chmod(folder.path("bench").c_str(), 0755) != 0) {
    return fmt::format("cannot write to {}", folder.path());
  }
  return std::nullopt;
}

ProcessPlan guest_plan(const std::string& engine, const BenchText& text, const Setup& setup, const WorkFolder& folder) {
  // No messages of the kernel in the middle of our lines, except a panic.
  std::string append = "console=ttyS0 quiet loglevel=1 panic=-1";
  if (!text.append.empty()) append += " " + text.append;
  ProcessPlan plan;
  plan.log = folder.path(engine + ".log");
  if (engine == "tcg") {
    plan.command = {text.qemu,  "-accel", "tcg",     "-m",    text.memory,  "-display",   "none",
                    "-monitor", "none",   "-serial", "stdio", "-no-reboot", "-nodefaults"};
  } else {
    std::error_code error;
    plan.command = {
        fs::read_symlink("/proc/self/exe", error), "run", "--engine", engine, "--memory", text.memory, "--no-reboot"};
  }
  const bool tcg = engine == "tcg";
  for (const auto& [option, value] :
       {std::pair{"kernel", setup.kernel}, std::pair{"initrd", folder.path("initrd")}, std::pair{"append", append}}) {
    plan.command.push_back(fmt::format("{}{}", tcg ? "-" : "--", option));
    plan.command.push_back(value);
  }
  return plan;
}

ProcessPlan native_plan(const Setup& setup, const WorkFolder& folder, const std::string& tmpfs) {
  ProcessPlan plan;
  plan.command = {folder.path("bench"), "serve"};
  plan.variables = {{"BENCH_BUSYBOX", setup.busybox}};
  plan.folder = tmpfs;
  plan.log = folder.path("native.log");
  return plan;
}

std::vector<std::string> facts(const BenchText& text, const Setup& setup) {
  utsname host{};
  uname(&host);
  std::vector<std::string> lines{fmt::format("host: {}, {} {}", processor_name(), host.sysname, host.release)};
  if (!setup.engines.empty()) {
    lines.push_back(fmt::format("guest: {}, {} of RAM", fs::path(setup.kernel).filename().string(), text.memory));
  }
  if (!setup.qemu_version.empty()) lines.push_back(fmt::format("tcg: {}", setup.qemu_version));
  return lines;
}

BenchReport measure(const BenchText& text, const Setup& setup, const WorkFolder& folder, const std::string& tmpfs) {
  BenchReport report;
  report.plan = setup.plan;
  report.facts = facts(text, setup);
  BenchEnvironments environments;
  environments.push_back(std::make_unique<BenchEnvironment>("native", native_plan(setup, folder, tmpfs), true));
  // How many times as long as on this host a sample may take before there is less work in it.
  std::vector<double> patience{1};
  for (const std::string& engine : setup.engines) {
    environments.push_back(std::make_unique<BenchEnvironment>(engine, guest_plan(engine, text, setup, folder), false));
    patience.push_back(engine == "interpret" ? 1 : 5);
  }
  for (const auto& environment : environments) report.environments.push_back(environment->name());
  for (const BenchRow& row : setup.rows) {
    report.results.push_back(measure_row(row, environments, patience, setup.plan));
    std::string line = fmt::format("bench: {:<12}", row.name);
    for (std::size_t i = 1; i < environments.size(); ++i) {
      const auto ratio = ratio_to_native(report.results.back(), i, setup.plan.clock);
      line += fmt::format(" {} {}", environments[i]->name(), ratio ? fmt::format("{:.2f}", *ratio) : "failed");
    }
    say(line);
  }
  for (const auto& environment : environments) environment->stop();
  return report;
}

bool write_report(const std::string& path, const std::string& report) {
  if (path.empty() || write_file(path, bytes_of(report))) return true;
  say(fmt::format("bench: cannot write {}", path));
  return false;
}

}  // namespace

CLI::App* add_bench_command(CLI::App& app, BenchText& text) {
  CLI::App* bench = app.add_subcommand("bench", "Compare the speed of guests with this host's and with QEMU's");
  bench->add_flag("--quick", text.quick, "Short samples, one of each");
  bench->add_option("--rows", text.rows, "Rows and groups to run (default: all)")->type_name("LIST");
  bench->add_option("--engines", text.engines, "Some of translate, interpret, tcg (native is always run)")
      ->type_name("LIST")
      ->capture_default_str();
  bench->add_option("--runs", text.runs, "Samples of each row, of which the median counts [3, with --quick 1]")
      ->check(CLI::Range(1, 1000));
  bench->add_option("--seconds", text.seconds, "Length of a sample on this host [0.3, with --quick 0.05]")
      ->check(CLI::Range(0.001, 100.0));
  bench->add_option("--clock", text.clock, "wall, or cpu: the CPU time taken, for a busy host")
      ->check(CLI::IsMember({"wall", "cpu"}))
      ->capture_default_str();
  bench->add_option("--timeout", text.timeout, "A run of a row that takes longer has failed")
      ->type_name("SECONDS")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  bench->add_option("--json", text.json, "Write all samples there")->type_name("FILE");
  bench->add_option("--svg", text.svg, "Write a plot there")->type_name("FILE");
  bench->add_option("--kernel", text.kernel, "Linux bzImage for i386 [guests/vmlinuz-686]")->type_name("FILE");
  bench->add_option("--busybox", text.busybox, "Static i386 busybox for the shell rows [guests/busybox]")
      ->type_name("FILE");
  bench->add_option("--append", text.append, "More for the kernel's command line")->type_name("TEXT");
  bench->add_option("--memory", text.memory, "Guest RAM")->type_name("SIZE")->capture_default_str();
  bench->add_option("--qemu", text.qemu, "QEMU's program")->type_name("FILE")->capture_default_str();
  bench->add_flag("--check", text.check, "Fail if a limit is missed");
  bench->add_flag("--list", text.list, "List the rows");
  return bench;
}

int bench(const BenchText& text) {
  if (text.list) {
    for (const BenchRow& row : bench_rows()) fmt::print("{:<12} {:<8} {}\n", row.name, row.group, row.unit);
    return 0;
  }
  auto checked = check_bench_text(text);
  if (const auto* error = std::get_if<std::string>(&checked)) return bad_usage(*error);
  const Setup& setup = std::get<Setup>(checked);
  // A guest that ends while it is spoken to is reported, and does not end us.
  signal(SIGPIPE, SIG_IGN);

  const char* temporary = std::getenv("TMPDIR");
  const auto folder = WorkFolder::create(temporary != nullptr ? temporary : "/tmp");
  if (!folder) return bad_usage("cannot make a folder in TMPDIR");
  if (const auto error = write_guest(*folder, setup)) return bad_usage(*error);
  // Files are created on a tmpfs on both sides.
  const auto tmpfs = WorkFolder::create("/dev/shm");
  const BenchReport report = measure(text, setup, *folder, tmpfs ? tmpfs->path() : folder->path());

  std::cout << bench_text(report) << std::flush;
  const bool json_written = write_report(text.json, bench_json(report));
  const bool svg_written = write_report(text.svg, bench_svg(report));
  if (!std::cout || !json_written || !svg_written) return kExitHostError;
  if (has_failures(report)) return kExitHostError;
  const auto is_missed = [](const BenchFinding& finding) { return !finding.kept; };
  return text.check && std::ranges::any_of(bench_findings(report), is_missed) ? kExitHostError : 0;
}

}  // namespace ringshift::cli
