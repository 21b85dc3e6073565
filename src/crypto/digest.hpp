// Message digests (FIPS 180-4), whole or fed piece by piece.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/bytes.hpp"

struct evp_md_ctx_st;

namespace casemate::crypto {

using Digest384 = std::array<std::uint8_t, 48>;
using Digest256 = std::array<std::uint8_t, 32>;

// Hasher: SHA-2 with a digest of Size bytes, fed piece by piece. Copying it copies the state, so
// two messages with one beginning hash it once. A moved-from Hasher can only be assigned or
// destroyed.
template <std::size_t Size>
class Hasher {
public:
    using Digest = std::array<std::uint8_t, Size>;

    Hasher();
    Hasher(const Hasher& other);
    Hasher& operator=(const Hasher& other);
    Hasher(Hasher&& other) noexcept = default;
    Hasher& operator=(Hasher&& other) noexcept = default;
    ~Hasher() = default;

    void update(ByteView bytes);
    // finish gives the digest of all bytes so far and starts a new message.
    [[nodiscard]] Digest finish();

private:
    struct FreeContext {
        void operator()(evp_md_ctx_st* context) const;
    };
    std::unique_ptr<evp_md_ctx_st, FreeContext> context_;
};

using Sha384 = Hasher<48>;
using Sha256 = Hasher<32>;
using Sha512 = Hasher<64>;

[[nodiscard]] Digest384 sha384(ByteView bytes);
[[nodiscard]] Digest256 sha256(ByteView bytes);

// extend_zero is a PCR that was zero and has been extended once (formats.md 1.6):
// SHA384(48 zero bytes ‖ bytes). PCR0, 1, 2 and 8 pass a digest, PCR3 and 4 the text itself.
[[nodiscard]] Digest384 extend_zero(ByteView bytes);

extern template class Hasher<48>;
extern template class Hasher<32>;
extern template class Hasher<64>;

}  // namespace casemate::crypto
