// What a request of each kind costs in OpenSSL alone: the primitives on the very sizes of the
// request, one after the other, with contexts that are made once.
#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.hpp"

namespace casemate::bench {

enum class Work { decrypt, decrypt_for_recipient, generate_data_key, sign };

// Sizes of one exchange, in bytes.
struct Sizes {
    std::size_t request = 0;
    std::size_t request_body = 0;
    std::size_t response = 0;
    // recipient: the attestation document.
    std::size_t document = 0;
};

// Cost: processor time of one, in microseconds.
struct Cost {
    // The operation itself: AES-256-GCM with its key derived by HKDF, or ECDSA on P-256; with a
    // recipient its document's ECDSA on P-384, RSAES-OAEP-2048 and AES-256-CBC too.
    double operation = 0;
    // What every request needs around it: TLS records of AES-256-GCM both ways, Signature Version
    // 4's SHA-256 and HMACs, the audit log's SHA-256.
    double around = 0;

    [[nodiscard]] double all() const { return operation + around; }
};

// measure takes about half a second.
[[nodiscard]] Cost measure(Work work, const Sizes& sizes);

}  // namespace casemate::bench
