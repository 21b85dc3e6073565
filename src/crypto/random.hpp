// Random numbers for keys, nonces and salts: OpenSSL's generators, which the kernel seeds.
#pragma once

#include <cstddef>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace casemate::crypto {

// random_bytes fills out with numbers that may become public (nonces, salts, identifiers). Safe to
// call from several threads, as random_secret is. Both end the process when there is no randomness,
// for nothing that they are needed for can go on without it.
void random_bytes(MutableBytes out);

// random_secret makes size bytes of key material, from a generator that never gives a public
// number.
[[nodiscard]] SecretBytes random_secret(std::size_t size);

}  // namespace casemate::crypto
