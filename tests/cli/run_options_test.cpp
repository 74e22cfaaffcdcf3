// What the options of `ringshift run` mean.
#include "cli/run_options.h"

#include <gtest/gtest.h>

namespace ringshift::cli {
namespace {

RunOptions options_of(const RunText& text) {
  auto result = check_run_options(text);
  if (const auto* error = std::get_if<std::string>(&result)) {
    ADD_FAILURE() << *error;
    return {};
  }
  return std::get<RunOptions>(result);
}

std::string error_of(const RunText& text) {
  const auto result = check_run_options(text);
  const auto* error = std::get_if<std::string>(&result);
  return error == nullptr ? "no error" : *error;
}

TEST(RunOptions, DefaultToTheEmbeddedGuest) {
  const RunOptions options = options_of({});
  EXPECT_FALSE(options.kernel);
  EXPECT_EQ(options.memory_bytes, 256 * machine::kMiB);
  EXPECT_EQ(options.serial.kind, SerialTarget::Kind::stdio);
  EXPECT_EQ(options.engine, EngineChoice::translate);
  EXPECT_FALSE(options.timeout_ns);
  EXPECT_FALSE(options.debug_exit);
}

TEST(RunOptions, KnowEverySerialTarget) {
  RunText text;
  text.serial = "file:a:b";
  EXPECT_EQ(options_of(text).serial.kind, SerialTarget::Kind::file);
  EXPECT_EQ(options_of(text).serial.path, "a:b");
  text.serial = "unix:/s";
  EXPECT_EQ(options_of(text).serial.kind, SerialTarget::Kind::unix_socket);
  text.serial = "none";
  EXPECT_EQ(options_of(text).serial.kind, SerialTarget::Kind::none);
  text.serial = "file:";
  EXPECT_EQ(error_of(text), "--serial 'file:': the path is missing");
  text.serial = "pty";
  EXPECT_EQ(error_of(text), "--serial 'pty': none of stdio, file:PATH, unix:PATH, none");
}

TEST(RunOptions, ApicAndHpetComeWithFirmware) {
  EXPECT_FALSE(options_of({}).apic || options_of({}).hpet);
  EXPECT_TRUE(options_of({.disks = {"d"}}).apic && options_of({.disks = {"d"}}).hpet);
  EXPECT_FALSE(options_of({.apic = "off", .disks = {"d"}}).apic);
  EXPECT_TRUE(options_of({.kernel = "k", .apic = "on"}).apic);
  EXPECT_EQ(error_of({.hpet = "yes"}), "--hpet 'yes': none of auto, on, off");
}

TEST(RunOptions, NothingIsBootedFromAnEmptyCdRomDrive) {
  EXPECT_EQ(options_of({.cdrom = "c", .floppy = "f"}).pc->boot, machine::BootDevice::cdrom);
  EXPECT_EQ(options_of({.cdrom = "none", .floppy = "f"}).pc->boot, machine::BootDevice::floppy);
}

TEST(RunOptions, TheParallelPortIsAFile) {
  EXPECT_FALSE(options_of({}).parallel_file);
  EXPECT_EQ(options_of({.parallel = "file:a:b"}).parallel_file, "a:b");
  EXPECT_EQ(error_of({.parallel = "file:"}), "--parallel 'file:': the path is missing");
  EXPECT_EQ(error_of({.parallel = "lpt"}), "--parallel 'lpt': none of none, file:PATH");
}

TEST(RunOptions, KnowEveryCpuModel) {
  EXPECT_EQ(options_of({}).cpu, CpuModel::core2);
  for (const CpuModelName& known : kCpuModelNames) {
    EXPECT_EQ(options_of({.cpu = std::string(known.text)}).cpu, known.model) << known.text;
  }
  EXPECT_EQ(error_of({.cpu = "386"}), "--cpu '386': none of 486, pentium, pentium3, core2");
}

TEST(RunOptions, TakeFractionsOfASecond) {
  EXPECT_EQ(options_of({.timeout = "0.25"}).timeout_ns, 250'000'000U);
  for (const char* bad : {"", "0", "-1", "x", "1s", "nan", "inf", "1e300"}) {
    EXPECT_EQ(error_of({.timeout = bad}), "--timeout '" + std::string(bad) + "': not a positive number of seconds");
  }
}

TEST(RunOptions, PlaceTheDebugExitPort) {
  RunText text;
  text.debug_exit = true;
  EXPECT_EQ(options_of(text).debug_exit->base, 0x501);
  EXPECT_EQ(options_of(text).debug_exit->size, 4);
  text.debug_exit_ports = "iobase=0xf4,iosize=0x1";
  EXPECT_EQ(options_of(text).debug_exit->base, 0xF4);
  EXPECT_EQ(options_of(text).debug_exit->size, 1);
  text.debug_exit_ports = "iobase=0xfffe";
  EXPECT_EQ(error_of(text), "--debug-exit 'iobase=0xfffe': leaves the 65536 ports");
  text.debug_exit_ports = "iosize=3";
  EXPECT_EQ(error_of(text), "--debug-exit 'iosize=3': iosize is none of 1, 2, 4");
}

TEST(RunOptions, PlaceTheVncServer) {
  const auto vnc = [](const char* display) { return options_of({.display = display}).pc->vnc.value(); };
  EXPECT_EQ(vnc("vnc").host, "127.0.0.1");
  EXPECT_EQ(vnc("vnc").display, 0U);
  EXPECT_EQ(vnc("vnc=:7").host, "127.0.0.1");
  EXPECT_EQ(vnc("vnc=:7").display, 7U);
  EXPECT_EQ(vnc("vnc:7").display, 7U);
  EXPECT_EQ(vnc("vnc=0.0.0.0:59635").host, "0.0.0.0");
  EXPECT_EQ(vnc("vnc=localhost:1").host, "127.0.0.1");
  for (const char* bad : {"vnc=7", "vnc=:", "vnc=:x", "vnc=:59636"}) {
    EXPECT_EQ(error_of({.display = bad}),
              "--display '" + std::string(bad) + "': not vnc=HOST:DISPLAY with a DISPLAY up to 59635");
  }
}

TEST(RunOptions, VncOptionsNeedTheServer) {
  EXPECT_EQ(error_of({.vnc_web = "."}), "--vnc-web without --display vnc: nobody would use it");
  EXPECT_EQ(error_of({.vnc_password_file = "p"}), "--vnc-password-file without --display vnc: nobody would use it");
}

TEST(RunOptions, RefuseUnknownDisplays) {
  EXPECT_EQ(error_of({.display = "gtk"}), "--display 'gtk': none of none, terminal, vnc=HOST:DISPLAY");
}

TEST(RunOptions, RefuseWhatIsNotBuilt) {
  EXPECT_EQ(error_of({.cpus = "2"}), "--cpus 2: only one virtual CPU is supported by this version");
}

TEST(RunOptions, RefuseWhatContradictsItself) {
  EXPECT_EQ(error_of({.initrd = "i"}), "--initrd without --kernel: nothing would read it");
  EXPECT_EQ(error_of({.engine = "interpret", .verify = true}),
            "--verify with --engine interpret: there is no translated code to check");
}

}  // namespace
}  // namespace ringshift::cli
