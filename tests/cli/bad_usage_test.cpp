// Whatever cannot be run: one line on standard error that says why, nothing on standard output, exit status 2.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cli/process.h"
#include "tests/cli/test_guests.h"
#include "tests/support/boot_images.h"

namespace ringshift::test {
namespace {

using Arguments = std::vector<std::string>;

void expect_refused(const Arguments& arguments, const std::string& why) {
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, testing::StartsWith("ringshift: "));
  EXPECT_THAT(outcome.err, testing::HasSubstr(why));
  EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
  EXPECT_THAT(outcome.err, testing::EndsWith("\n"));
}

// ---- options ----------------------------------------------------------------------------------

struct Row {
  Arguments arguments;
  std::string why;
};

class BadUsage : public testing::TestWithParam<Row> {};

const Row kRows[] = {
    {{}, "subcommand is required"},
    {{"frobnicate"}, "subcommand is required"},
    {{"--frobnicate"}, "subcommand is required"},
    {{"run", "--frobnicate"}, "not expected: --frobnicate"},
    {{"run", "-frobnicate"}, "not expected: -frobnicate"},
    {{"run", "kernel"}, "not expected: kernel"},
    {{"run", "run"}, "not expected: run"},
    {{"run", "line\nbreak"}, "not expected: line break"},
    {{"run", "--memory"}, "--memory: the value is missing"},
    {{"run", "-m"}, "-m: the value is missing"},
    {{"run", "--memory", "1G", "-m", "2G"}, "--memory"},
    {{"run", "--memory", ""}, "not a number"},
    {{"run", "--memory", "lots"}, "memory size 'lots': not a number"},
    {{"run", "--memory", "-1M"}, "not a number"},
    {{"run", "--memory", "0"}, "the least is 2M"},
    {{"run", "--memory", "1M"}, "the least is 2M"},
    {{"run", "--memory", "64G"}, "the most is 32G"},
    {{"run", "--memory", "99999999999999999999G"}, "not a number"},
    {{"run", "--memory", "4097K"}, "not a multiple of 4K"},
    {{"run", "--engine", "kvm"}, "--engine 'kvm'"},
    {{"run", "--serial", "pty"}, "--serial 'pty'"},
    {{"run", "--serial", "file:/nonexistent/log"}, "'/nonexistent/log': No such file"},
    {{"run", "--serial", "unix:/nonexistent/socket"}, "'/nonexistent/socket': No such file"},
    {{"run", "--serial", "unix:" + std::string(200, 'x')}, "the path is too long"},
    {{"run", "--timeout", "soon"}, "--timeout 'soon'"},
    {{"run", "--timeout", "0"}, "--timeout '0'"},
    {{"run", "--debug-exit=iobase=0x10000"}, "iobase is not a port number"},
    {{"run", "--debug-exit=5"}, "needs iobase=PORT and iosize=BYTES"},
    {{"run", "--debug-exit=iorange=5"}, "knows only iobase and iosize"},
    {{"run", "--initrd", "/dev/null"}, "--initrd without --kernel"},
    {{"run", "--append", "x"}, "--append without --kernel"},
    {{"run", "--engine", "interpret", "--verify"}, "--verify with --engine interpret"},
    {{"run", "--cpus", "2"}, "only one virtual CPU"},
    {{"run", "--cpus", "many"}, "not a positive number"},
    {{"run", "--floppy", "/nowhere"}, "disk '/nowhere': No such file or directory"},
    {{"run", "--disk", "/etc"}, "disk '/etc': "},
    {{"run", "--disk", "/nowhere", "--disk", "/nowhere"}, "disk '/nowhere': No such file or directory"},
    {{"run", "--disk", "1", "--disk", "2", "--disk", "3", "--disk", "4", "--disk", "5"}, "there is room for 4"},
    {{"run", "--disk", "d,format=vmdk"}, "the formats are raw and qcow2"},
    {{"run", "--disk", "d,cache=none"}, "knows only format=raw|qcow2, snapshot and readonly"},
    {{"run", "--disk", ",snapshot"}, "the file is missing"},
    {{"run", "--boot", "tape"}, "--boot 'tape': none of disk, cdrom, floppy"},
    {{"run", "--firmware", "/nowhere"}, "firmware '/nowhere': No such file or directory"},
    {{"run", "--firmware", "/etc/hostname"},
     "firmware '/etc/hostname': its size is not a multiple of 4 KiB up to 16 MiB"},
    {{"run", "--kernel", "k", "--boot", "disk"}, "--boot with --kernel: a kernel is started without firmware"},
    {{"run", "--gdb", "x"}, "--gdb 'x': neither a port of this host nor unix:PATH"},
    {{"run", "--gdb", "tcp:example.org:1234"},
     "--gdb 'tcp:example.org:1234': neither a port of this host nor unix:PATH"},
    {{"run", "--qmp", "unix:q,reconnect=1"}, "--qmp 'unix:q,reconnect=1': what is 'reconnect=1'?"},
    {{"run", "--wait-for-gdb"}, "--wait-for-gdb without --gdb: no debugger could come"},
    {{"run", "--engine", "lockstep", "--gdb", "1234"},
     "--gdb, --qmp and --start-stopped with --engine lockstep: not supported"},
    {{"run", "--display", "gtk"}, "--display 'gtk': none of none, terminal, vnc=HOST:DISPLAY"},
    {{"run", "--display", "vnc=nowhere:1"}, "VNC: 'nowhere' is not an IPv4 address"},
    {{"run", "--display", "vnc=:1", "--vnc-password-file", "/nowhere"},
     "VNC password '/nowhere': No such file or directory"},
    {{"run", "-smp", "4"}, "only one virtual CPU"},
    {{"run", "-accel", "kvm"}, "-accel: the engine is chosen by --engine"},
    {{"run", "-cpu", "host"}, "--cpu 'host': none of 486, pentium, pentium3, core2"},
    {{"run", "-machine", "q35"}, "-machine: there is one machine model"},
    {{"run", "-device", "e1000"}, "-device e1000: only isa-debug-exit is known"},
    {{"translate"}, "needs one of --hex, --asm, --file"},
    {{"translate", "--hex", "9"}, "--hex '9': not bytes"},
    {{"translate", "--hex", ""}, "there is no code"},
    {{"translate", "--hex", "90", "--mode", "64"}, "--mode '64': none of 32, 16, prot16, real, v86"},
    {{"translate", "--hex", "90", "--cpl", "4"}, "--cpl '4'"},
    {{"translate", "--file", "/nonexistent"}, "'/nonexistent': No such file"},
    {{"translate", "--file", "/dev/null"}, "neither a file nor a pipe"},
    {{"translate", "--asm", "frobnicate eax"}, "--asm 'frobnicate eax': "},
};

TEST_P(BadUsage, IsRefused) { expect_refused(GetParam().arguments, GetParam().why); }

INSTANTIATE_TEST_SUITE_P(Options, BadUsage, testing::ValuesIn(kRows));

// ---- images -----------------------------------------------------------------------------------

class BadImage : public testing::Test {
 protected:
  Folder folder_;
  std::string kernel_ = folder_.write("kernel", small_bzimage());
};

TEST_F(BadImage, Missing) {
  expect_refused({"run", "--kernel", folder_.path("none")}, "none': No such file or directory");
  expect_refused({"run", "--kernel", ""}, "kernel '': No such file or directory");
  expect_refused({"run", "--kernel", kernel_, "--initrd", folder_.path("none")}, "initrd '");
}

TEST_F(BadImage, ADirectory) { expect_refused({"run", "--kernel", folder_.path("")}, "is a directory"); }

TEST_F(BadImage, Empty) { expect_refused({"run", "--kernel", folder_.write("empty", {})}, "the file is empty"); }

TEST_F(BadImage, ADevice) {
  expect_refused({"run", "--kernel", "/dev/zero"}, "kernel '/dev/zero': is neither a file nor a pipe");
  expect_refused({"run", "--kernel", kernel_, "--initrd", "/dev/zero"}, "initrd '/dev/zero': is neither a file nor a");
}

TEST_F(BadImage, Truncated) {
  auto image = small_bzimage();
  for (const std::size_t size : {1U, 511U, 1024U, 3000U, 5100U}) {
    image = small_bzimage();
    image.resize(size);
    expect_refused({"run", "--kernel", folder_.write("cut", image)}, "kernel '");
  }
  image = small_elf(true);
  image.resize(image.size() - 1);
  expect_refused({"run", "--kernel", folder_.write("cut", image)}, "truncated");
}

TEST_F(BadImage, OfAnotherFormat) {
  expect_refused({"run", "--kernel", folder_.write("text", std::vector<std::uint8_t>(10000, ' '))}, "unknown format");
  expect_refused({"run", "--kernel", "/proc/self/exe"}, "a 64-bit ELF file");
}

TEST_F(BadImage, TooLargeForTheMemory) {
  const std::string initrd = folder_.write("initrd", std::vector<std::uint8_t>(5 << 20, 1));
  expect_refused({"run", "--kernel", kernel_, "--initrd", initrd, "--memory", "4M"}, "does not fit in memory");
}

TEST_F(BadImage, CommandLineTooLong) {
  expect_refused({"run", "--kernel", kernel_, "--append", std::string(4000, 'x')}, "command line is longer");
}

TEST_F(BadImage, ForEveryEngine) {
  for (const char* engine : {"translate", "interpret", "lockstep"}) {
    expect_refused({"run", "--engine", engine, "--kernel", folder_.write("empty", {})}, "the file is empty");
  }
}

}  // namespace
}  // namespace ringshift::test
