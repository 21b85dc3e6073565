#include "attestation/text.hpp"

#include <algorithm>

namespace casemate::attestation {

std::string printable(std::string_view text, std::size_t limit) {
    std::string shown;
    for (const char c : text.substr(0, limit)) {
        if (c >= ' ' && c <= '~' && c != '\\') {
            shown += c;
        } else {
            const auto byte = static_cast<std::uint8_t>(c);
            shown += "\\x" + to_hex({&byte, 1});
        }
    }
    return text.size() > limit ? shown + "..." : shown;
}

std::string short_hex(ByteView bytes) {
    constexpr std::size_t kShown = 48;
    if (bytes.empty()) {
        return "nothing";
    }
    std::string shown = to_hex(bytes.first(std::min(bytes.size(), kShown)));
    if (bytes.size() > kShown) {
        shown += "... (" + std::to_string(bytes.size()) + " bytes)";
    }
    return shown;
}

}  // namespace casemate::attestation
