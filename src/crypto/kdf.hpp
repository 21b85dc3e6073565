// Deriving keys: HKDF (RFC 5869) from a key, scrypt (RFC 7914) from a passphrase.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/error.hpp"

namespace casemate::crypto {

// hkdf_sha256 derives size bytes, 1 to 8160, from key material that need not be uniform; salt and
// info may be empty. Errors: CryptoErrc out_of_range for another size.
[[nodiscard]] Result<SecretBytes> hkdf_sha256(const SecretBytes& key, ByteView salt, ByteView info,
                                              std::size_t size);

// ScryptCost: what a guess costs. Memory is 128 · n · block_size bytes, time grows with all three.
// The defaults take 128 MiB, and about half a second of one core.
struct ScryptCost {
    // n: a power of two, at least 2.
    std::uint64_t n = std::uint64_t{1} << 17U;
    std::uint32_t block_size = 8;
    std::uint32_t parallelism = 1;
};

// kMaxScryptMemory: what scrypt may take, in bytes. A cost that is read from a file is refused
// before it can take more.
inline constexpr std::uint64_t kMaxScryptMemory = std::uint64_t{1} << 30U;
inline constexpr std::uint32_t kMaxScryptParallelism = 16;

// scrypt derives size bytes, 1 to 1024, from a passphrase and a salt. Errors: CryptoErrc
// out_of_range for another size, an n that is no power of two, a factor of zero, and a cost above
// the limits; library_failure when there is not so much memory.
[[nodiscard]] Result<SecretBytes> scrypt(const SecretBytes& passphrase, ByteView salt,
                                         const ScryptCost& cost, std::size_t size);

}  // namespace casemate::crypto
