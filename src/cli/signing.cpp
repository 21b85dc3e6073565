#include "cli/signing.hpp"

#include <chrono>
#include <memory>
#include <utility>

#include "base/file.hpp"
#include "base/secret.hpp"
#include "eif/error.hpp"

namespace casemate::cli {

namespace {

constexpr std::uint64_t kMaxFile = 64ULL << 10U;

Result<crypto::PrivateKey> open_key(const std::string& name) {
    if (name.starts_with("pkcs11:")) {
        return crypto::PrivateKey::from_token(name);
    }
    if (name.starts_with("arn:")) {
        return Error(eif::EifErrc::unsupported,
                     "expected a private key in a PEM file or a token (pkcs11:...), found an ARN: "
                     "this version does not sign with a key management service");
    }
    CASEMATE_TRY(Bytes bytes, read_file(name, kMaxFile));
    const SecretBytes pem(std::move(bytes));
    auto key = crypto::PrivateKey::from_pem(pem.view());
    if (!key) {
        return std::move(key).error().while_doing(name);
    }
    return key;
}

}  // namespace

Result<eif::ImageSigner> open_signer(const std::string& certificate,
                                     const std::string& private_key) {
    CASEMATE_TRY(Bytes file, read_file(certificate, kMaxFile));
    CASEMATE_TRY(crypto::PrivateKey opened, open_key(private_key));
    const auto key = std::make_shared<const crypto::PrivateKey>(std::move(opened));
    auto signer = eif::ImageSigner::create(
        std::move(file), [key](ByteView digest) { return key->sign_digest_der(digest); });
    if (!signer) {
        return std::move(signer).error().while_doing(certificate);
    }
    if (signer->public_key().spki() != key->public_key().spki()) {
        return Error(eif::EifErrc::signature_refused,
                     "expected the private key of the signing certificate, found another key");
    }
    return signer;
}

void warn_of_validity(const eif::ImageSigner& signer, Output& output) {
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    if (const auto valid = eif::check_validity(signer.certificate(), now); !valid) {
        output.say("Note: this image would not start now: " + valid.error().detail());
    }
}

}  // namespace casemate::cli
