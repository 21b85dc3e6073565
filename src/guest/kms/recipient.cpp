#include "guest/kms/recipient.hpp"

#include <casemate/nsm.hpp>

#include <cerrno>
#include <cstring>

#include "crypto/cms.hpp"

namespace casemate::kms_client {

Attest security_module() {
    return [](ByteView public_key) -> Result<Bytes> {
        const auto module = SecurityModule::open();
        if (!module) {
            return Error(ClientErrc::no_module,
                         "expected the security module's device /dev/nsm, found: " +
                             std::string(std::strerror(errno)) +
                             (errno == ENOENT ? ": not in an enclave?" : ""));
        }
        auto document = module->attest({.public_key = public_key});
        if (!document) {
            return Error(ClientErrc::no_module,
                         "expected an attestation document of the security module, found: " +
                             std::string(casemate::describe(document.error())));
        }
        return std::move(*document);
    };
}

Result<Bytes> Recipient::document() {
    std::shared_ptr<const crypto::RsaPrivateKey> mine;
    {
        const std::lock_guard lock(mutex_);
        if (!key_) {
            auto made = crypto::RsaPrivateKey::generate(kRecipientBits);
            if (!made) {
                return Error(ClientErrc::internal, made.error().message());
            }
            key_ = std::make_shared<const crypto::RsaPrivateKey>(std::move(made).value());
        }
        mine = key_;
    }
    return attest_(mine->public_key().spki());
}

std::shared_ptr<const crypto::RsaPrivateKey> Recipient::key() const {
    const std::lock_guard lock(mutex_);
    return key_;
}

Result<SecretBytes> Recipient::open(ByteView envelope) const {
    const auto mine = key();
    if (!mine) {
        return Error(ClientErrc::not_opened, "expected a key that was attested, found none");
    }
    auto opened = crypto::cms::open_with(*mine, envelope);
    if (!opened) {
        return Error(ClientErrc::not_opened,
                     "expected CiphertextForRecipient for this client's key, found: " +
                         opened.error().message());
    }
    return opened;
}

}  // namespace casemate::kms_client
