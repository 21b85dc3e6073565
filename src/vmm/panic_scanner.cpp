#include "vmm/panic_scanner.hpp"

#include <string_view>

namespace casemate::vmm {

namespace {

// Linux kernel/panic.c.
constexpr std::string_view kPanic = "Kernel panic - not syncing";
constexpr std::size_t kMaxMessage = 256;
// A line's time stamp, level and caller come before; what is further right is not a message of the
// kernel's.
constexpr std::size_t kMaxLine = kMaxMessage + 64;

}  // namespace

std::optional<std::string> PanicScanner::take(std::uint8_t byte) {
    if (found_) {
        return std::nullopt;
    }
    if (byte != '\n') {
        if (line_.size() < kMaxLine) {
            const bool printable = byte >= ' ' && byte <= '~';
            line_.push_back(printable ? static_cast<char>(byte) : ' ');
        }
        return std::nullopt;
    }
    const auto begin = line_.find(kPanic);
    if (begin == std::string::npos) {
        line_.clear();
        return std::nullopt;
    }
    found_ = true;
    std::string message = line_.substr(begin, kMaxMessage);
    message.erase(message.find_last_not_of(' ') + 1);
    return message;
}

}  // namespace casemate::vmm
