#include "cli/exit_code.h"

namespace ringshift::cli {

int exit_code(const machine::RunEnd& end, std::optional<int> stopped) {
  using Reason = machine::RunEnd::Reason;
  switch (end.reason) {
    case Reason::powered_off:
    case Reason::reset:
      return 0;
    case Reason::stopped:
      return stopped.value_or(0);
    case Reason::debug_exit:
      return static_cast<int>(end.code & 0xFF);
    case Reason::triple_fault:
      return kExitTripleFault;
    case Reason::timeout:
      return kExitTimeout;
    case Reason::host_error:
      return kExitHostError;
  }
  return kExitHostError;
}

}  // namespace ringshift::cli
