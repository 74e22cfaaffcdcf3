// The host code that guest code becomes, and what tests want to know of it.
//
//     const HostCode code = lab.host_code("popf");
//     EXPECT_TRUE(code.verified()) << code.text();
//     EXPECT_EQ(code.callouts(), 2u);
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "translator/listing/translation.h"

namespace ringshift::testkit {

class HostCode {
 public:
  explicit HostCode(listing::Translation translation) : all_(std::move(translation)) {}

  // False: code in this mode is left to the interpreter, and everything below is 0 or empty.
  [[nodiscard]] bool translated() const;
  [[nodiscard]] unsigned blocks() const { return static_cast<unsigned>(all_.blocks.size()); }
  [[nodiscard]] unsigned guest_instructions() const;
  [[nodiscard]] unsigned guest_bytes() const;
  // Host instructions and bytes of the guest instructions; what follows a block is not counted.
  [[nodiscard]] unsigned instructions() const;
  // Of these the ones on the usual way: not those out of line, behind the end of the block.
  [[nodiscard]] unsigned usual_instructions() const;
  [[nodiscard]] unsigned bytes() const;
  // Places where the runtime executes an instruction, or may.
  [[nodiscard]] unsigned callouts() const;
  // The verifier's objection, or nothing: then it would run.
  [[nodiscard]] std::string violation() const;
  [[nodiscard]] bool verified() const { return translated() && violation().empty(); }
  // A line for each host instruction, Intel syntax, in the order of the code.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] bool contains(std::string_view part_of_a_line) const;
  [[nodiscard]] const listing::Translation& listing() const { return all_; }

 private:
  listing::Translation all_;
};

}  // namespace ringshift::testkit
