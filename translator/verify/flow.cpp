#include "translator/verify/flow.h"

#include <algorithm>
#include <array>
#include <bit>

#include "runtime/state/eflags.h"
#include "translator/abi.h"
#include "translator/verify/state_fields.h"

namespace ringshift::verify {
namespace {

// What a register is known to hold.
enum class Value : std::uint8_t {
  unknown,        // any 64 bits
  zero_extended,  // upper half zero
  small,          // below 32
  clean_flags,    // zero-extended, and harmless when loaded to RFLAGS
  page_index,     // zero-extended: the page number of r8d
  entry_table,    // from the jump directory: where the entries for r8d are
  table_entry,    // zero-extended: an entry of such a table
  window_base,    // linear address 0 of the window
  base_pointer,   // an element of CpuState::base_pointer
  code_address,   // a table entry added to the cache's base
  in_window,      // rsi, rdi: an address in the window, for one string instruction
  limit_pointer,  // an element of CpuState::limit_pointer
  limit_space,    // HostContext::limit_space
  moved,          // rsi, rdi: what a string instruction left; only its lower half may be used
};

// The guard behind the offset space is read on purpose, up to here (translator/abi.h).
constexpr std::int32_t kOffsetGuard = 64;
// An operand has no more bytes.
constexpr std::int32_t kLongestOperand = 64;

// Bits that translated code must not put into RFLAGS. IF and IOPL are ignored by popf at this privilege, ID is
// harmless.
constexpr std::uint32_t kHarmfulFlags = ~(eflags::kNative | eflags::kFixed | eflags::kIf | eflags::kIopl | eflags::kId);

bool extends_zero(Value v) {
  return v == Value::zero_extended || v == Value::small || v == Value::clean_flags || v == Value::page_index ||
         v == Value::table_entry;
}

Value meet(Value a, Value b) {
  if (a == b) return a;
  return extends_zero(a) && extends_zero(b) ? Value::zero_extended : Value::unknown;
}

// The registers followed: r8 to r11, then the guest's that hold more than 32 bits for a moment: rsi, rdi, rax and
// rdx. 4 bits each when packed.
class Knowledge {
 public:
  static Knowledge nothing() {
    Knowledge k;
    k.values_.fill(Value::zero_extended);
    for (unsigned i = 0; i < 4; ++i) k.values_[i] = Value::unknown;
    return k;
  }
  // A host return carries the guest's target in r8d.
  static Knowledge after_return() {
    Knowledge k = nothing();
    k.values_[0] = Value::zero_extended;
    return k;
  }
  static Knowledge unpack(std::uint32_t packed) {
    Knowledge k;
    for (unsigned i = 0; i < k.values_.size(); ++i) k.values_[i] = static_cast<Value>((packed >> (4 * i)) & 0xFU);
    return k;
  }
  [[nodiscard]] std::uint32_t pack() const {
    std::uint32_t packed = 0;
    for (unsigned i = 0; i < values_.size(); ++i) packed |= static_cast<std::uint32_t>(values_[i]) << (4 * i);
    return packed;
  }

  [[nodiscard]] Value of(unsigned reg) const {
    const int i = slot(reg);
    return i < 0 ? Value::zero_extended : values_[static_cast<unsigned>(i)];
  }
  void set(unsigned reg, Value v) {
    const int i = slot(reg);
    if (i >= 0) values_[static_cast<unsigned>(i)] = v;
    if (reg != kR8) return;
    for (unsigned scratch = 0; scratch < 4; ++scratch) {  // what was looked up for r8 is not for what it is now
      if (values_[scratch] == Value::page_index) values_[scratch] = Value::zero_extended;
      if (values_[scratch] == Value::entry_table) values_[scratch] = Value::unknown;
    }
  }
  // The upper halves of all guest registers are zero.
  [[nodiscard]] bool settled() const {
    return std::all_of(values_.begin() + 4, values_.end(), [](Value v) { return v == Value::zero_extended; });
  }

  void meet_with(const Knowledge& other) {
    for (unsigned i = 0; i < values_.size(); ++i) values_[i] = meet(values_[i], other.values_[i]);
  }

 private:
  static int slot(unsigned reg) {
    if (is_scratch(reg)) return static_cast<int>(reg - kR8);
    switch (reg) {
      case kRsi:
        return 4;
      case kRdi:
        return 5;
      case kRax:
        return 6;
      case kRdx:
        return 7;
      default:
        return -1;
    }
  }
  std::array<Value, 8> values_{};
};

constexpr std::uint16_t kFollowed = (0xFU << kR8) | (1U << kRsi) | (1U << kRdi) | (1U << kRax) | (1U << kRdx);
constexpr std::uint16_t kTimeStamp = (1U << kRax) | (1U << kRdx);

enum class Pushed : std::uint8_t {
  none,
  flags,  // by pushfq: the next instruction pops them
  value,  // by push: popfq follows, with nothing between that may fault or branch
};

class Checker {
 public:
  Checker(std::span<Step> steps, bool paragraphs) : steps_(steps), paragraphs_(paragraphs) {}

  std::optional<FlowError> run() {
    for (std::uint32_t i = 0; i < steps_.size(); ++i) {
      if (const char* reason = step(i)) return FlowError{i, reason};
    }
    if (reachable_) return FlowError{static_cast<std::uint32_t>(steps_.size() - 1), "execution runs off the end"};
    return std::nullopt;
  }

 private:
  // What is known on arrival at `s`, from wherever.
  const char* arrive(const Step& s) {
    const bool joined = s.incoming != kNowhere;
    if (!joined && !s.backward && !s.after_call) {
      if (!reachable_) known_ = Knowledge::nothing();
      reachable_ = true;
      return nullptr;
    }
    if (pushed_ != Pushed::none) return "branch between a push and its pop";
    if (reachable_ && !known_.settled()) return "upper half of a guest register not zero where a branch arrives";
    time_stamp_ = false;
    if (s.after_call) {
      // Only a return arrives here: what precedes is the call.
      known_ = Knowledge::after_return();
      if (joined) known_.meet_with(Knowledge::unpack(s.incoming));
    } else if (joined) {
      const Knowledge other = Knowledge::unpack(s.incoming);
      if (reachable_) {
        known_.meet_with(other);
      } else {
        known_ = other;
      }
    }
    if (s.backward) known_ = Knowledge::nothing();
    reachable_ = true;
    return nullptr;
  }

  const char* step(std::uint32_t i) {
    const Step& s = steps_[i];
    if (const char* reason = arrive(s)) return reason;
    const Meaning& m = *s.meaning;
    if (pushed_ != Pushed::none && !may_follow_push(m)) return "push without its pop at once";
    const bool moves = m.action == Action::plain || m.action == Action::load_state64 || m.action == Action::constant32;
    if (time_stamp_ && (m.window || !moves)) {
      if (!known_.settled()) return "upper half of a guest register not zero after rdtsc";
      time_stamp_ = false;
    }
    if (m.state == StateAccess::read && !readable(s.disp, m.width)) return "reads beyond CpuState";
    const bool writes = m.state == StateAccess::write;
    if (writes && !writable(s.disp, m.width) && !(paragraphs_ && segment_writable(s.disp, m.width)))
      return "writes CpuState outside its own fields";
    if (m.action == Action::plain) {
      if ((m.wide & kTimeStamp) != 0 && !time_stamp_) return "64-bit write of a register whose upper half is zero";
      if (((m.set32 | m.touched | m.wide) & kFollowed) != 0) apply_masks(m);
      return nullptr;
    }
    return act(s, m);
  }

  [[nodiscard]] bool may_follow_push(const Meaning& m) const {
    if (pushed_ == Pushed::flags) return m.action == Action::pop;
    const bool harmless = m.action == Action::plain || m.action == Action::mask32 || m.action == Action::set_bits32;
    return m.action == Action::pop_flags || (harmless && !m.window);
  }

  void apply_masks(const Meaning& m) {
    for (unsigned bits = m.touched & kFollowed; bits != 0; bits &= bits - 1) {
      const auto reg = static_cast<unsigned>(std::countr_zero(bits));
      const Value v = known_.of(reg);
      // A partial write leaves the upper half; a host address in rsi or rdi is still one.
      if (is_scratch(reg))
        known_.set(reg, extends_zero(v) ? Value::zero_extended : Value::unknown);
      else if (v == Value::in_window)
        known_.set(reg, Value::moved);
    }
    for (unsigned bits = m.set32 & kFollowed; bits != 0; bits &= bits - 1) {
      known_.set(static_cast<unsigned>(std::countr_zero(bits)), Value::zero_extended);
    }
    for (unsigned bits = m.wide & kFollowed; bits != 0; bits &= bits - 1) {
      known_.set(static_cast<unsigned>(std::countr_zero(bits)), Value::unknown);
    }
  }

  // Moves between registers and from the state.
  const char* act(const Step& s, const Meaning& m) {
    switch (m.action) {
      case Action::load_state64:
        known_.set(m.dst, s.disp == static_cast<std::int64_t>(kWindowBase)   ? Value::window_base
                          : s.disp == static_cast<std::int64_t>(kLimitSpace) ? Value::limit_space
                          : is_base_pointer(s.disp)                          ? Value::base_pointer
                          : is_limit_pointer(s.disp)                         ? Value::limit_pointer
                                                                             : Value::unknown);
        return nullptr;
      case Action::probe_limit: {
        const Value pointer = known_.of(m.src);
        const bool of_segment = pointer == Value::limit_pointer && s.disp >= 0 && s.disp < kLongestOperand;
        const bool of_code = pointer == Value::limit_space && s.disp < 0;
        if (!(of_segment || of_code) || !extends_zero(known_.of(kR8))) return "probe beside the limit space";
        known_.set(m.dst, Value::zero_extended);
        return nullptr;
      }
      case Action::load_place: {
        constexpr std::int32_t kEnd = -abi::kDirectoryBias;
        constexpr std::int32_t kBytes = 4;
        if (s.disp < kEnd - abi::kPlaceBytes || s.disp > kEnd - kBytes) return "load beside the places of pages";
        known_.set(m.dst, Value::zero_extended);
        return nullptr;
      }
      case Action::probe_offset:
        if (s.disp < abi::kOffsetSpace || s.disp >= abi::kOffsetSpace + kOffsetGuard || !extends_zero(known_.of(kR8))) {
          return "probe beside the offset space";
        }
        known_.set(m.dst, Value::zero_extended);
        return nullptr;
      case Action::page_index:
        known_.set(m.dst, Value::page_index);
        return nullptr;
      case Action::load_directory:
        if (s.disp != -abi::kDirectoryBias || known_.of(m.src) != Value::page_index) {
          return "index of the jump directory is not a page number";
        }
        known_.set(m.dst, Value::entry_table);
        return nullptr;
      case Action::load_entry:
        if (s.disp != 0 || known_.of(m.src) != Value::entry_table || !extends_zero(known_.of(kR8))) {
          return "not an entry for a guest address";
        }
        known_.set(m.dst, Value::table_entry);
        return nullptr;
      case Action::load_pointer:
        if (s.disp != 0 || known_.of(m.src) != Value::base_pointer) return "memory operand outside the window";
        known_.set(m.dst, Value::zero_extended);
        return nullptr;
      case Action::code_address:
        if (s.disp != 0 || known_.of(m.dst) != Value::table_entry) return "code address not from a table of entries";
        known_.set(m.dst, Value::code_address);
        return nullptr;
      case Action::add_window:
        if (s.disp != 0 || known_.of(m.src) != Value::window_base || !extends_zero(known_.of(m.dst))) {
          return "string pointer is not based on the window";
        }
        known_.set(m.dst, Value::in_window);
        return nullptr;
      case Action::copy64:
        if (!is_scratch(m.dst) && !extends_zero(known_.of(m.src))) {
          return "64-bit use of a register whose upper half is zero";
        }
        known_.set(m.dst, is_scratch(m.dst) ? known_.of(m.src) : Value::zero_extended);
        return nullptr;
      case Action::mask32:
        known_.set(m.dst,
                   (static_cast<std::uint32_t>(s.imm) & kHarmfulFlags) == 0 || known_.of(m.dst) == Value::clean_flags
                       ? Value::clean_flags
                       : Value::zero_extended);
        return nullptr;
      case Action::set_bits32:
        known_.set(m.dst,
                   (static_cast<std::uint32_t>(s.imm) & kHarmfulFlags) == 0 && known_.of(m.dst) == Value::clean_flags
                       ? Value::clean_flags
                       : Value::zero_extended);
        return nullptr;
      case Action::constant32:
        known_.set(m.dst, static_cast<std::uint32_t>(s.imm) < 32 ? Value::small : Value::zero_extended);
        return nullptr;
      case Action::extract32:
        // A mask below 32 selects at most 5 bits.
        known_.set(m.dst, known_.of(m.src) == Value::small ? Value::small : Value::zero_extended);
        return nullptr;
      case Action::bit_index:
        if (known_.of(m.src) != Value::small) return "bit offset reaches beyond the operand";
        apply_masks(m);
        return nullptr;
      case Action::time_stamp:
        if (!known_.settled()) return "upper half of a guest register not zero before rdtsc";
        time_stamp_ = true;
        return nullptr;
      case Action::string:
        if (m.uses_rsi && !use_pointer(kRsi)) return "string source is not based on the window";
        if (m.uses_rdi && !use_pointer(kRdi)) return "string destination is not based on the window";
        return nullptr;
      case Action::push:
      case Action::pop:
      case Action::push_flags:
      case Action::pop_flags:
        return stack(m);
      default:
        return branch(s, m);
    }
  }

  bool use_pointer(unsigned reg) {
    if (known_.of(reg) != Value::in_window) return false;
    known_.set(reg, Value::moved);
    return true;
  }

  const char* stack(const Meaning& m) {
    const Pushed before = pushed_;
    pushed_ = Pushed::none;
    switch (m.action) {
      case Action::push_flags:
        pushed_ = Pushed::flags;
        return nullptr;
      case Action::pop:
        if (before != Pushed::flags) return "pop without its push";
        known_.set(m.dst, Value::clean_flags);
        return nullptr;
      case Action::push:
        if (known_.of(m.src) != Value::clean_flags) return "pushes what may hold TF, AC or NT";
        pushed_ = Pushed::value;
        return nullptr;
      default:
        return before == Pushed::value ? nullptr : "pop without its push";
    }
  }

  const char* branch(const Step& s, const Meaning& m) {
    if (!known_.settled()) return "upper half of a guest register not zero where a branch leaves";
    const bool needs_target = s.to_lookup || m.action == Action::ret;
    if (needs_target && !extends_zero(known_.of(kR8))) return "r8 is not a guest address";
    if ((m.action == Action::jump_indirect || m.action == Action::call_indirect) &&
        known_.of(m.src) != Value::code_address) {
      return "indirect branch not to what a lookup has found";
    }
    const bool is_call = m.action == Action::call || m.action == Action::call_indirect;
    if (s.target != kNowhere && !steps_[s.target].backward) {
      Step& to = steps_[s.target];
      // A callee knows nothing of its caller.
      Knowledge there = is_call ? Knowledge::nothing() : known_;
      if (to.incoming != kNowhere) there.meet_with(Knowledge::unpack(to.incoming));
      to.incoming = there.pack();
    }
    if (m.action != Action::jump_if) reachable_ = false;
    return nullptr;
  }

  std::span<Step> steps_;
  bool paragraphs_;
  Knowledge known_ = Knowledge::nothing();
  Pushed pushed_ = Pushed::none;
  bool time_stamp_ = false;  // after rdtsc: rax and rdx may be written with 64 bits
  bool reachable_ = true;
};

}  // namespace

std::optional<FlowError> check_flow(std::span<Step> steps, bool paragraphs) { return Checker(steps, paragraphs).run(); }

}  // namespace ringshift::verify
