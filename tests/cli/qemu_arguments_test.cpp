// QEMU's spellings become ours; what is ours stays.
#include "cli/qemu_arguments.h"

#include <gtest/gtest.h>

namespace ringshift::cli {
namespace {

using Arguments = std::vector<std::string>;

Arguments rewritten(const Arguments& arguments) {
  auto result = rewrite_arguments(arguments);
  if (const auto* error = std::get_if<std::string>(&result)) return {"error", *error};
  return std::get<Arguments>(result);
}

struct Row {
  Arguments given, expected;
};

class Rewrite : public testing::TestWithParam<Row> {};

const Row kRows[] = {
    {{}, {}},
    {{"-m", "256"}, {"--memory", "256"}},
    {{"-m", "size=1G"}, {"--memory", "1G"}},
    {{"-kernel", "k", "-initrd", "i"}, {"--kernel", "k", "--initrd", "i"}},
    {{"-append", "console=ttyS0 -m 4"}, {"--append", "console=ttyS0 -m 4"}},
    {{"-serial", "stdio"}, {"--serial", "stdio"}},
    {{"-serial", "mon:stdio"}, {"--serial", "stdio"}},
    {{"-serial", "null"}, {"--serial", "none"}},
    {{"-serial", "file:x"}, {"--serial", "file:x"}},
    {{"-nographic", "-no-reboot"}, {"--no-reboot"}},
    {{"-no-hpet", "-parallel", "null"}, {"--hpet=off", "--parallel", "none"}},
    {{"-parallel", "file:p"}, {"--parallel", "file:p"}},
    {{"-display", "none"}, {"--display", "none"}},
    {{"-vnc", ":1"}, {"--display", "vnc=:1"}},
    {{"-cpu", "486-v1"}, {"--cpu", "486"}},
    {{"-cpu", "core2duo"}, {"--cpu", "core2"}},
    {{"--cpu=pentium"}, {"--cpu", "pentium"}},
    {{"-smp", "2"}, {"--cpus", "2"}},
    {{"-smp", "cpus=1"}, {"--cpus", "1"}},
    {{"-hda", "d"}, {"--disk", "d"}},
    {{"-boot", "order=d"}, {"--boot", "cdrom"}},
    {{"-boot", "c"}, {"--boot", "disk"}},
    {{"-gdb", "tcp::1234"}, {"--gdb", "1234"}},
    {{"-s", "-S"}, {"--gdb=1234", "--start-stopped"}},
    {{"-qmp", "unix:q,server,nowait"}, {"--qmp", "unix:q,server,nowait"}},
    {{"-device", "isa-debug-exit"}, {"--debug-exit"}},
    {{"-device", "isa-debug-exit,iobase=0xf4,iosize=0x4"}, {"--debug-exit=iobase=0xf4,iosize=0x4"}},
    {{"-nodefaults", "-name", "guest", "-net", "none", "-vga", "none"}, {}},
    {{"--stats", "--engine", "interpret"}, {"--stats", "--engine", "interpret"}},
    {{"--memory=1G"}, {"--memory", "1G"}},
    {{"--append="}, {"--append", ""}},
    {{"--append=a=b -m"}, {"--append", "a=b -m"}},
    {{"--append", "-m", "--stats"}, {"--append", "-m", "--stats"}},  // the value of an option is not looked at
    {{"-append", "-kernel", "-m", "1"}, {"--append", "-kernel", "--memory", "1"}},
    {{"--debug-exit", "--stats"}, {"--debug-exit", "--stats"}},
    {{"--", "-m", "1"}, {"--", "-m", "1"}},
    {{"-frob", "file", "-h"}, {"-frob", "file", "-h"}},  // for the parser to judge
    {{"-m"}, {"error", "-m: the value is missing"}},
    {{"--append"}, {"error", "--append: the value is missing"}},
    {{"-device", "e1000"}, {"error", "-device e1000: only isa-debug-exit is known"}},
    {{"-net", "user"}, {"error", "-net user: only 'none' is supported by this version"}},
    {{"-accel", "kvm"}, {"error", "-accel: the engine is chosen by --engine"}},
    {{"-machine", "pc"}, {"error", "-machine: there is one machine model"}},
};

TEST_P(Rewrite, GivesOurOptions) { EXPECT_EQ(rewritten(GetParam().given), GetParam().expected); }

INSTANTIATE_TEST_SUITE_P(QemuArguments, Rewrite, testing::ValuesIn(kRows));

}  // namespace
}  // namespace ringshift::cli
