// The recipient of KMS's answers: an RSA key of this enclave's, and documents that say so.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/rsa.hpp"
#include "kms_client/error.hpp"

namespace casemate::kms_client {

// Attest gives an attestation document that carries a public key (DER SubjectPublicKeyInfo).
using Attest = std::function<Result<Bytes>(ByteView public_key)>;

// security_module attests with this enclave's /dev/nsm. Errors: no_module.
[[nodiscard]] Attest security_module();

// kRecipientBits: what AWS's own client asks for, and what KMS takes everywhere.
inline constexpr std::size_t kRecipientBits = 2048;

// Recipient: a key made when it is first needed, for as long as the object lives, and never shown.
// Safe to use from several threads. A key serves any number of answers: each is encrypted with a
// content key of its own.
class Recipient {
public:
    explicit Recipient(Attest attest) : attest_(std::move(attest)) {}

    // document gives a new document with the key. Errors: Attest's; internal.
    [[nodiscard]] Result<Bytes> document();
    // open opens CiphertextForRecipient. Errors: not_opened for what this key does not open, and
    // before the first document.
    [[nodiscard]] Result<SecretBytes> open(ByteView envelope) const;

private:
    [[nodiscard]] std::shared_ptr<const crypto::RsaPrivateKey> key() const;

    Attest attest_;
    mutable std::mutex mutex_;
    std::shared_ptr<const crypto::RsaPrivateKey> key_;
};

}  // namespace casemate::kms_client
