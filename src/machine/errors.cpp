#include "machine/errors.hpp"

namespace casemate::machine {

std::string_view describe(MachineErrc code) {
    switch (code) {
        case MachineErrc::bad_message:
            return "bad control message";
        case MachineErrc::bad_range:
            return "bad guest range";
        case MachineErrc::bad_kernel:
            return "bad kernel";
        case MachineErrc::too_large:
            return "does not fit the guest";
        case MachineErrc::unsupported:
            return "not supported by this KVM";
    }
    return "unknown machine error";
}

}  // namespace casemate::machine
