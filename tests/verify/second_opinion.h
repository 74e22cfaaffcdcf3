// Whether host code keeps the verifier's promises, found in another way.
//
// Zydis instead of Capstone, and every path of execution followed by itself from each entry, with the provenance
// of every register, instead of one sweep with knowledge met at joins. Only what can be reached is judged. It
// says more often yes than the verifier does; where it says no, the verifier must not say yes.
#pragma once

#include <string>

#include "translator/verify/verifier.h"

namespace ringshift::testing {

// Empty if the code is confined, else why it is not.
[[nodiscard]] std::string second_opinion(const verify::VerifyRequest& request);

}  // namespace ringshift::testing
