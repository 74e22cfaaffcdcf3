// The seventeen instructions of the Pentium that read or change the machine's state without trapping in user mode,
// which made it not virtualizable by Popek and Goldberg's theorem (Robin and Irvine, USENIX Security 2000): each one,
// in every ring, must show the guest its own machine and never the host's.
#include "tests/engine/system_lab.h"

namespace ringshift::test {
namespace {

using attr::dpl;

class SystemSensitive : public SystemTest {
 protected:
  SystemLab lab{GetParam()};

  // For each ring: a fresh machine whose tables and registers are unlike any host's.
  template <class F>
  void in_every_ring(F check) {
    for (unsigned ring = 0; ring < 4; ++ring) {
      SCOPED_TRACE(testing::Message() << "ring " << ring);
      lab.reset(ring);
      lab.gpr(kEbx) = SystemLab::kData;
      check(ring);
    }
  }
  template <class T>
  [[nodiscard]] T data(std::uint32_t offset) const {
    return lab.peek<T>(SystemLab::kData + offset);
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, SystemSensitive, kEngines, engine_name);

constexpr std::uint32_t kTarget = 0x24680;

TEST_P(SystemSensitive, Sgdt) {
  in_every_ring([this](unsigned) {
    ASSERT_TRUE(lab.completes({0x0F, 0x01, 0x03}));
    EXPECT_EQ(data<std::uint16_t>(0), SystemLab::kGdtEntries * 8 - 1);
    EXPECT_EQ(data<std::uint32_t>(2), SystemLab::kGdt);
    EXPECT_EQ(data<std::uint16_t>(6), 0u) << "six bytes, not ten";
  });
}

TEST_P(SystemSensitive, Sidt) {
  in_every_ring([this](unsigned) {
    ASSERT_TRUE(lab.completes({0x0F, 0x01, 0x0B}));
    EXPECT_EQ(data<std::uint16_t>(0), 256 * 8 - 1);
    EXPECT_EQ(data<std::uint32_t>(2), SystemLab::kIdt);
    EXPECT_EQ(data<std::uint16_t>(6), 0u);
  });
}

TEST_P(SystemSensitive, Sldt) {
  in_every_ring([this](unsigned) {
    lab.state().ldtr = SegmentRegister{SystemLab::free_selector(5), attr::kLdt, SystemLab::kLdtBase, 0xFF};
    ASSERT_TRUE(lab.completes({0x0F, 0x00, 0xC0}));  // sldt eax
    EXPECT_EQ(lab.gpr(kEax), SystemLab::free_selector(5));
    ASSERT_TRUE(lab.completes({0x0F, 0x00, 0x03}));  // sldt [ebx]
    EXPECT_EQ(data<std::uint32_t>(0), SystemLab::free_selector(5));
  });
}

TEST_P(SystemSensitive, Str) {
  in_every_ring([this](unsigned) {
    ASSERT_TRUE(lab.completes({0x0F, 0x00, 0xC8}));  // str eax
    EXPECT_EQ(lab.gpr(kEax), SystemLab::kTssSelector);
    ASSERT_TRUE(lab.completes({0x0F, 0x00, 0x0B}));  // str [ebx]
    EXPECT_EQ(data<std::uint32_t>(0), SystemLab::kTssSelector);
  });
}

TEST_P(SystemSensitive, Smsw) {
  in_every_ring([this](unsigned) {
    lab.state().cr0 = cr0::kPe | cr0::kEt | cr0::kTs;
    ASSERT_TRUE(lab.completes({0x0F, 0x01, 0xE0}));  // smsw eax
    EXPECT_EQ(lab.gpr(kEax), cr0::kPe | cr0::kEt | cr0::kTs);
    ASSERT_TRUE(lab.completes({0x0F, 0x01, 0x23}));  // smsw [ebx]
    EXPECT_EQ(data<std::uint32_t>(0), cr0::kPe | cr0::kEt | cr0::kTs);
  });
}

TEST_P(SystemSensitive, Pushf) {
  in_every_ring([this](unsigned) {
    for (unsigned iopl = 0; iopl < 4; ++iopl) {
      for (const std::uint32_t flag : {0U, eflags::kIf}) {
        lab.set_flags(flag | iopl << eflags::kIoplShift);
        ASSERT_TRUE(lab.completes({0x9C}));
        EXPECT_EQ(lab.stack(0), eflags::kFixed | flag | iopl << eflags::kIoplShift);
      }
    }
  });
}

TEST_P(SystemSensitive, Popf) {
  in_every_ring([this](unsigned ring) {
    for (unsigned iopl = 0; iopl < 4; ++iopl) {
      lab.set_flags(iopl << eflags::kIoplShift);
      lab.push32(eflags::kIf | eflags::kIopl | eflags::kZf);
      ASSERT_TRUE(lab.completes({0x9D}));
      const std::uint32_t expected_if = ring <= iopl ? eflags::kIf : 0;
      const std::uint32_t expected_iopl = ring == 0 ? eflags::kIopl : iopl << eflags::kIoplShift;
      EXPECT_EQ(lab.flags(), eflags::kFixed | eflags::kZf | expected_if | expected_iopl);
    }
  });
}

TEST_P(SystemSensitive, Lar) {
  in_every_ring([this](unsigned ring) {
    for (unsigned of = 0; of < 4; ++of) {
      lab.gpr(kEax) = SystemLab::data(of);
      lab.gpr(kEcx) = 0x55AA55AA;
      ASSERT_TRUE(lab.completes({0x0F, 0x02, 0xC8}));
      const std::uint32_t rights = 0xCF9300 | of << 13;
      EXPECT_EQ(lab.gpr(kEcx), of >= ring ? rights : 0x55AA55AA) << of;
      EXPECT_EQ((lab.flags() & eflags::kZf) != 0, of >= ring);
    }
  });
}

TEST_P(SystemSensitive, Lsl) {
  in_every_ring([this](unsigned ring) {
    lab.gpr(kEax) = SystemLab::kTssSelector;
    lab.gpr(kEcx) = 0x55AA55AA;
    ASSERT_TRUE(lab.completes({0x0F, 0x03, 0xC8}));
    EXPECT_EQ(lab.gpr(kEcx), ring == 0 ? 0x67u : 0x55AA55AAu) << "the TSS has DPL 0";
    lab.gpr(kEax) = SystemLab::data(3);
    ASSERT_TRUE(lab.completes({0x0F, 0x03, 0xC8}));
    EXPECT_EQ(lab.gpr(kEcx), 0xFFFFFFFFu);
  });
}

TEST_P(SystemSensitive, VerrAndVerw) {
  in_every_ring([this](unsigned ring) {
    for (unsigned of = 0; of < 4; ++of) {
      lab.gpr(kEax) = SystemLab::data(of);
      ASSERT_TRUE(lab.completes({0x0F, 0x00, 0xE0}));
      EXPECT_EQ((lab.flags() & eflags::kZf) != 0, of >= ring) << "verr " << of;
      ASSERT_TRUE(lab.completes({0x0F, 0x00, 0xE8}));
      EXPECT_EQ((lab.flags() & eflags::kZf) != 0, of >= ring) << "verw " << of;
      lab.gpr(kEax) = SystemLab::code(of);
      ASSERT_TRUE(lab.completes({0x0F, 0x00, 0xE8}));
      EXPECT_EQ(lab.flags() & eflags::kZf, 0u) << "code is never writable";
    }
  });
}

TEST_P(SystemSensitive, PushSegmentShowsTheRing) {
  in_every_ring([this](unsigned ring) {
    ASSERT_TRUE(lab.completes({0x0E}));  // push cs
    EXPECT_EQ(lab.stack(0), SystemLab::code(ring)) << "the CPL is in the low bits";
    ASSERT_TRUE(lab.completes({0x16}));  // push ss
    EXPECT_EQ(lab.stack(0), SystemLab::data(ring));
    ASSERT_TRUE(lab.completes({0x0F, 0xA0}));  // push fs
    EXPECT_EQ(lab.stack(0), SystemLab::data(ring));
  });
}

TEST_P(SystemSensitive, PopSegmentChecksTheRing) {
  in_every_ring([this](unsigned ring) {
    for (unsigned of = 0; of < 4; ++of) {
      lab.push32(SystemLab::data(of) & 0xFFFCU);
      EXPECT_TRUE(of >= ring ? lab.completes({0x07}) : lab.faults({0x07}, vector::kGp, SystemLab::data(of) & 0xFFFCU))
          << "pop es " << of;
      lab.gpr(kEsp) = SystemLab::stack_top(ring);
      lab.push32(SystemLab::data(of));
      EXPECT_TRUE(of == ring ? lab.completes({0x17}) : lab.faults({0x17}, vector::kGp, SystemLab::data(of) & 0xFFFCU))
          << "pop ss " << of;
      lab.gpr(kEsp) = SystemLab::stack_top(ring);
    }
  });
}

TEST_P(SystemSensitive, MovSegment) {
  in_every_ring([this](unsigned ring) {
    ASSERT_TRUE(lab.completes({0x8C, 0xC8}));  // mov eax, cs
    EXPECT_EQ(lab.gpr(kEax), SystemLab::code(ring));
    for (unsigned of = 0; of < 4; ++of) {
      lab.gpr(kEax) = SystemLab::data(of);
      EXPECT_TRUE(of >= ring ? lab.completes({0x8E, 0xC0})
                             : lab.faults({0x8E, 0xC0}, vector::kGp, SystemLab::data(of) & 0xFFFCU))
          << "mov es, ax " << of;
    }
  });
}

TEST_P(SystemSensitive, CallFarAndJmpFar) {
  in_every_ring([this](unsigned ring) {
    for (unsigned of = 0; of < 4; ++of) {
      for (const std::uint8_t opcode : Bytes{0x9A, 0xEA}) {
        const Registers before = lab.registers();
        const Bytes insn = far_insn(opcode, SystemLab::code(of), kTarget);
        EXPECT_TRUE(of == ring ? lab.transfers(insn) : lab.faults(insn, vector::kGp, SystemLab::code(of) & 0xFFFCU));
        EXPECT_EQ(lab.state().cpl(), ring);
        lab.restore(before);
      }
    }
  });
}

TEST_P(SystemSensitive, IntN) {
  in_every_ring([this](unsigned ring) {
    EXPECT_EQ(lab.execute({0xCD, 0x80}).handler, 0x80u);
    EXPECT_EQ(lab.state().cpl(), 0u);
    EXPECT_EQ(lab.stack(1), SystemLab::code(ring));
    EXPECT_EQ(lab.stack(0), SystemLab::kCode + 2);
  });
}

TEST_P(SystemSensitive, RetFar) {
  in_every_ring([this](unsigned ring) {
    for (unsigned to = 0; to < 4; ++to) {
      const Registers before = lab.registers();
      lab.push32(SystemLab::data(to));
      lab.push32(SystemLab::stack_top(to));
      lab.push32(SystemLab::code(to));
      lab.push32(kTarget);
      if (to < ring) {
        EXPECT_TRUE(lab.faults({0xCB}, vector::kGp, SystemLab::code(to) & 0xFFFCU)) << to;
      } else {
        EXPECT_TRUE(lab.transfers({0xCB})) << to;
        EXPECT_EQ(lab.state().cpl(), to);
        EXPECT_EQ(lab.eip(), kTarget);
      }
      lab.restore(before);
    }
  });
}

TEST_P(SystemSensitive, Iret) {
  in_every_ring([this](unsigned ring) {
    for (unsigned to = 0; to < 4; ++to) {
      const Registers before = lab.registers();
      lab.push32(SystemLab::data(to));
      lab.push32(SystemLab::stack_top(to));
      lab.push32(eflags::kIf | eflags::kIopl | eflags::kFixed);
      lab.push32(SystemLab::code(to));
      lab.push32(kTarget);
      if (to < ring) {
        EXPECT_TRUE(lab.faults({0xCF}, vector::kGp, SystemLab::code(to) & 0xFFFCU)) << to;
      } else {
        EXPECT_TRUE(lab.transfers({0xCF})) << to;
        EXPECT_EQ(lab.state().cpl(), to);
        EXPECT_EQ(lab.flags(), eflags::kFixed | (ring == 0 ? eflags::kIf | eflags::kIopl : 0U));
      }
      lab.restore(before);
    }
  });
}

}  // namespace
}  // namespace ringshift::test
