#include "translator/translate.h"

#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "translator/emit/exits.h"
#include "translator/emit/families.h"
#include "translator/emit/memory.h"
#include "translator/plan/block.h"

namespace ringshift::translator {
namespace {

using emit::Context;

// An error of the assembler is a bug of ours, not of the guest; going on would drop an instruction.
class Refuse final : public asmjit::ErrorHandler {
 public:
  void handleError(asmjit::Error, const char* message, asmjit::BaseEmitter*) override {
    std::fprintf(stderr, "translator: the assembler refused an instruction: %s\n", message);
    std::abort();
  }
};

void emit_block(Context& c, const plan::Block& block) {
  if (c.request.checked && !block.steps.empty()) emit::emit_check(c, block);
  for (const plan::Step& step : block.steps) {
    c.guest_offset = step.offset;
    c.last = &step == &block.steps.back();
    emit::mark_boundary(c);
    emit::emit_step(c, step);
    c.index = plan::counted_at_once(step) ? std::uint16_t{0} : static_cast<std::uint16_t>(c.index + 1U);
  }
  if (block.undecodable) {
    c.guest_offset = 0;
    emit::mark_boundary(c);
    emit::exit_interpret(c, c.eip(), 0);
  } else if (block.falls_through && !emit::casts_shadow(block.steps.back().insn)) {  // what does has left already
    c.guest_offset = static_cast<std::uint16_t>(block.bytes);
    emit::mark_boundary(c);
    if (c.esp_delta != 0) {
      emit::settle_esp(c);
      emit::mark_fixup(c, Fixup::none);
    }
    emit::exit_direct(c, c.eip(), c.index);
  }
}

// The code of the fragment, with the branches that were left open.
void take_code(Context& c) {
  const std::uint8_t* code = c.a.bufferData();
  c.fragment.code.assign(code, code + c.offset());
  for (const emit::Patch& p : c.patches) {
    const std::uint32_t relative = p.destination - (p.offset + 4);
    std::memcpy(c.fragment.code.data() + p.offset, &relative, sizeof relative);
  }
  for (const emit::Patch& p : c.short_patches) {
    c.fragment.code[p.offset] = static_cast<std::uint8_t>(p.destination - (p.offset + 1));
  }
}

// Storage of vectors that are filled anew for each fragment.
struct Vectors {
  std::vector<emit::Deferred> deferred;
  std::vector<emit::Patch> patches, short_patches;
  std::vector<Point> points;
  std::vector<DirectExit> exits;
};

// Lends a vector's storage, emptied.
template <class T>
std::vector<T> lend(std::vector<T>& from) {
  from.clear();
  return std::move(from);
}

// Takes the storage back and leaves a copy of just the size.
template <class T>
void take_back(std::vector<T>& storage, std::vector<T>& used) {
  storage = std::move(used);
  used.assign(storage.begin(), storage.end());
}

// For Fragment::loads_return_address.
std::optional<std::uint8_t> loads_return_address(const Request& request, const plan::Block& block) {
  if (!request.mode.plain() || request.options.count_retired || request.checked || block.steps.size() != 2) return {};
  const plan::Step& load = block.steps[0];
  const plan::Step& ret = block.steps[1];
  const isa::Insn& mov = load.insn;
  const bool from_top = mov.memory && mov.base == kEsp && mov.index == isa::kNoRegister && mov.disp == 0 &&
                        mov.address_size == 4 && mov.segment == Seg::ss;
  if (mov.op != isa::Op::mov || mov.form != isa::Form::reg_rm || mov.width != 4 || mov.reg == kEsp || !from_top)
    return {};
  if (load.traps || ret.traps) return {};
  if (ret.insn.op != isa::Op::ret || ret.insn.form != isa::Form::none || ret.insn.stack_operand != 4) return {};
  return mov.reg;
}

// Whether the request keeps to what Request::place says.
[[maybe_unused]] bool may_be_movable(const Request& request) {
  constexpr std::uint32_t kPageBytes = 0x1000;
  return request.mode.plain() && !request.options.count_retired && !request.checked && request.eip < kPageBytes;
}

}  // namespace

// One assembler for all fragments: its code is position-independent but for what is patched, so it only starts again
// at the beginning of its buffer.
struct Translator::Workspace {
  Workspace() {
    holder.init(asmjit::Environment(asmjit::Arch::kX64));
    holder.setErrorHandler(&errors);
    holder.attach(&assembler);
  }

  Refuse errors;
  asmjit::CodeHolder holder;
  asmjit::x86::Assembler assembler;
  plan::Block block;
  Vectors vectors;
};

Translator::Translator() : workspace_(std::make_unique<Workspace>()) {}
Translator::~Translator() = default;

Fragment Translator::translate(const Request& request) {
  assert(!request.place || may_be_movable(request));
  Workspace& w = *workspace_;
  plan::plan_block(request, w.block);
  Fragment fragment;
  fragment.guest_bytes = w.block.bytes;
  fragment.guest_instructions = static_cast<std::uint32_t>(w.block.steps.size());
  fragment.crosses_page = w.block.crosses_page;
  fragment.points = lend(w.vectors.points);
  fragment.exits = lend(w.vectors.exits);
  fragment.loads_return_address = loads_return_address(request, w.block);

  w.assembler.setOffset(0);
  Context context{.request = request,
                  .a = w.assembler,
                  .fragment = fragment,
                  .deferred = lend(w.vectors.deferred),
                  .patches = lend(w.vectors.patches),
                  .short_patches = lend(w.vectors.short_patches)};
  emit_block(context, w.block);
  emit::finish_exits(context);
  take_code(context);

  w.vectors.deferred = std::move(context.deferred);
  w.vectors.patches = std::move(context.patches);
  w.vectors.short_patches = std::move(context.short_patches);
  take_back(w.vectors.points, fragment.points);
  take_back(w.vectors.exits, fragment.exits);
  return fragment;
}

Fragment translate(const Request& request) { return Translator().translate(request); }

}  // namespace ringshift::translator
