#include "translator/translate.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "translator/emit/exits.h"
#include "translator/emit/families.h"
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
  for (const plan::Step& step : block.steps) {
    c.guest_offset = step.offset;
    c.last = &step == &block.steps.back();
    emit::mark_boundary(c);
    emit::emit_step(c, step);
    ++c.index;
  }
  if (block.undecodable) {
    c.guest_offset = 0;
    emit::mark_boundary(c);
    emit::exit_interpret(c, c.eip(), 0);
  } else if (block.falls_through && block.steps.back().insn.op != isa::Op::sti) {  // sti has left already
    c.guest_offset = static_cast<std::uint16_t>(block.bytes);
    emit::mark_boundary(c);
    emit::exit_direct(c, c.eip(), c.index);
  }
}

void take_code(Context& c, asmjit::CodeHolder& holder) {
  const asmjit::CodeBuffer& buffer = holder.textSection()->buffer();
  c.fragment.code.assign(buffer.data(), buffer.data() + buffer.size());
  for (const emit::Patch& p : c.patches) {
    const std::uint32_t relative = p.destination - (p.offset + 4);
    std::memcpy(c.fragment.code.data() + p.offset, &relative, sizeof relative);
  }
  for (const emit::Patch& p : c.short_patches) {
    c.fragment.code[p.offset] = static_cast<std::uint8_t>(p.destination - (p.offset + 1));
  }
}

}  // namespace

Fragment translate(const Request& request) {
  const plan::Block block = plan::plan_block(request);
  Fragment fragment;
  fragment.guest_bytes = block.bytes;
  fragment.guest_instructions = static_cast<std::uint32_t>(block.steps.size());
  fragment.crosses_page = block.crosses_page;

  Refuse errors;
  asmjit::CodeHolder holder;
  holder.init(asmjit::Environment(asmjit::Arch::kX64), request.host_address);
  holder.setErrorHandler(&errors);
  asmjit::x86::Assembler assembler(&holder);
  Context context{.request = request, .a = assembler, .fragment = fragment};
  emit_block(context, block);
  emit::finish_exits(context);
  take_code(context, holder);
  return fragment;
}

}  // namespace ringshift::translator
