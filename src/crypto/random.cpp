#include "crypto/random.hpp"

#include <openssl/rand.h>

#include <algorithm>
#include <limits>

#include "crypto/openssl.hpp"

namespace casemate::crypto {

namespace {

void fill(MutableBytes out, int (*generator)(unsigned char*, int)) {
    constexpr std::size_t kMaxPiece = std::numeric_limits<int>::max();
    while (!out.empty()) {
        const std::size_t piece = std::min(out.size(), kMaxPiece);
        require(generator(out.data(), static_cast<int>(piece)) == 1, "make random numbers");
        out = out.subspan(piece);
    }
}

}  // namespace

void random_bytes(MutableBytes out) {
    fill(out, RAND_bytes);
}

SecretBytes random_secret(std::size_t size) {
    SecretBytes secret(size);
    fill(secret.mutable_view(), RAND_priv_bytes);
    return secret;
}

}  // namespace casemate::crypto
