#include "attestation/isolation.hpp"

#include <array>

namespace casemate::attestation {

std::string_view name_of(Isolation isolation) {
    switch (isolation) {
        case Isolation::software:
            return "software";
        case Isolation::kvm:
            return "kvm";
        case Isolation::nitro:
            return "nitro";
        case Isolation::unknown:
            break;
    }
    return "unknown";
}

std::optional<Isolation> parse_isolation(std::string_view name) {
    constexpr std::array kAll{Isolation::unknown, Isolation::software, Isolation::kvm,
                              Isolation::nitro};
    for (const Isolation isolation : kAll) {
        if (name_of(isolation) == name) {
            return isolation;
        }
    }
    return std::nullopt;
}

}  // namespace casemate::attestation
