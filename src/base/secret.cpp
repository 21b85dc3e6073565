#include "base/secret.hpp"

#include <cstring>
#include <utility>

namespace casemate {

void cleanse(MutableBytes bytes) {
    // No bytes have no address, which explicit_bzero must not be given.
    if (!bytes.empty()) {
        ::explicit_bzero(bytes.data(), bytes.size());
    }
}

bool constant_time_equal(ByteView a, ByteView b) {
    if (a.size() != b.size()) {
        return false;
    }
    // volatile: the loop must run to its end whatever it has found.
    volatile std::uint8_t difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
    }
    return difference == 0;
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : bytes_(std::exchange(other.bytes_, Bytes())) {
}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
        cleanse(bytes_);
        bytes_ = std::exchange(other.bytes_, Bytes());
    }
    return *this;
}

SecretBytes::~SecretBytes() {
    cleanse(bytes_);
}

}  // namespace casemate
