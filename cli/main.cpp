// The ringshift command: finds out what is asked for and has it done.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "cli/bench/command.h"
#include "cli/exit_code.h"
#include "cli/message.h"
#include "cli/qemu_arguments.h"
#include "cli/run_command.h"
#include "cli/run_options.h"
#include "cli/translate_command.h"
#include "cli/translate_options.h"

namespace ringshift::cli {
namespace {

// Files opened later must not take the place of a closed standard stream.
void open_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // Standard output cannot be written then, and says so.
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
  }
}

int main(int argc, char** argv) {
  open_standard_streams();
  std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  if (!arguments.empty() && arguments.front() == "run") {
    auto rewritten = rewrite_arguments(std::span(arguments).subspan(1));
    if (const auto* error = std::get_if<std::string>(&rewritten)) return bad_usage(*error);
    arguments = std::get<0>(std::move(rewritten));
    arguments.insert(arguments.begin(), "run");
  }

  CLI::App app("Runs 32-bit x86 guests on x86-64 Linux by binary translation", "ringshift");
  const std::string version = "ringshift " RINGSHIFT_VERSION;
  app.set_version_flag("--version", version);
  app.require_subcommand(1);

  RunText run_text;
  CLI::App* run_app = app.add_subcommand("run", "Boot a guest (by default the one that is built in)");
  run_app->set_version_flag("--version", version);
  add_run_options(*run_app, run_text);
  TranslateText translate_text;
  CLI::App* translate_app = app.add_subcommand("translate", "Show guest instructions and the host code they become");
  translate_app->set_version_flag("--version", version);
  add_translate_options(*translate_app, translate_text);
  BenchText bench_text;
  const CLI::App* bench_app = add_bench_command(app, bench_text);

  try {
    std::ranges::reverse(arguments);  // what parse() wants
    app.parse(arguments);
  } catch (const CLI::Success& asked) {  // --help, --version
    app.exit(asked);
    return std::cout.flush() ? 0 : kExitHostError;
  } catch (const CLI::ParseError& error) {
    return bad_usage(fmt::format("{} (see ringshift --help)", error.what()));
  }

  if (translate_app->parsed()) {
    const auto request = check_translate_options(translate_text);
    if (const auto* error = std::get_if<std::string>(&request)) return bad_usage(*error);
    return translate(std::get<TranslateRequest>(request));
  }
  if (bench_app->parsed()) return bench(bench_text);
  const auto options = check_run_options(run_text);
  if (const auto* error = std::get_if<std::string>(&options)) return bad_usage(*error);
  return run(std::get<RunOptions>(options));
}

}  // namespace
}  // namespace ringshift::cli

int main(int argc, char** argv) { return ringshift::cli::main(argc, argv); }
