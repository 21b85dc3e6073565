#include "softhost/error.hpp"

namespace casemate::softhost {

std::string_view describe(SofthostErrc code) {
    switch (code) {
        case SofthostErrc::bad_frame:
            return "malformed frame";
        case SofthostErrc::protocol:
            return "frame against the rules";
        case SofthostErrc::missing:
            return "the software host lacks a part";
        case SofthostErrc::not_ready:
            return "the software host did not start";
        case SofthostErrc::ended_early:
            return "the software host ended";
        case SofthostErrc::kvm_unusable:
            return "KVM does not work in the software host";
    }
    return "unknown error";
}

}  // namespace casemate::softhost
