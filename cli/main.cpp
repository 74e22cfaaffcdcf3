// The ringshift command: finds out what is asked for and has it done.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

#include "cli/exit_code.h"
#include "cli/message.h"
#include "cli/run_command.h"
#include "cli/run_options.h"

namespace ringshift::cli {
namespace {

int main(int argc, char** argv) {
  CLI::App app("Runs 32-bit x86 guests on x86-64 Linux by binary translation", "ringshift");
  const std::string version = "ringshift " RINGSHIFT_VERSION;
  app.set_version_flag("--version", version);
  app.require_subcommand(1);

  RunText text;
  CLI::App* run_app = app.add_subcommand("run", "Boot a guest (by default the one that is built in)");
  run_app->set_version_flag("--version", version);
  add_run_options(*run_app, text);

  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    say(fmt::format("{} (see ringshift --help)", error.what()));
    return kExitUsage;
  }

  const auto options = check_run_options(text);
  if (const auto* error = std::get_if<std::string>(&options)) {
    say(*error);
    return kExitUsage;
  }
  return run(std::get<RunOptions>(options));
}

}  // namespace
}  // namespace ringshift::cli

int main(int argc, char** argv) { return ringshift::cli::main(argc, argv); }
