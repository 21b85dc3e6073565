#include "cli/signing.hpp"

#include <chrono>
#include <memory>
#include <utility>

#include "base/file.hpp"
#include "base/secret.hpp"
#include "cli/kms_key.hpp"
#include "eif/error.hpp"

namespace casemate::cli {

namespace {

constexpr std::uint64_t kMaxFile = 64ULL << 10U;

// SigningKey: a key wherever it is.
struct SigningKey {
    crypto::PublicKey public_key;
    eif::DigestSigner sign;
};

SigningKey signing_key(crypto::PrivateKey opened) {
    const auto key = std::make_shared<const crypto::PrivateKey>(std::move(opened));
    return {key->public_key(), [key](ByteView digest) { return key->sign_digest_der(digest); }};
}

Result<SigningKey> open_key(const std::string& name) {
    if (name.starts_with("pkcs11:")) {
        CASEMATE_TRY(crypto::PrivateKey key, crypto::PrivateKey::from_token(name));
        return signing_key(std::move(key));
    }
    if (name.starts_with("arn:")) {
        CASEMATE_TRY(KmsKey opened, KmsKey::open(name));
        const auto key = std::make_shared<const KmsKey>(std::move(opened));
        return SigningKey{key->public_key(), [key](ByteView digest) { return key->sign(digest); }};
    }
    CASEMATE_TRY(Bytes bytes, read_file(name, kMaxFile));
    const SecretBytes pem(std::move(bytes));
    auto key = crypto::PrivateKey::from_pem(pem.view());
    if (!key) {
        return std::move(key).error().while_doing(name);
    }
    return signing_key(std::move(key).value());
}

}  // namespace

Result<eif::ImageSigner> open_signer(const std::string& certificate,
                                     const std::string& private_key) {
    CASEMATE_TRY(Bytes file, read_file(certificate, kMaxFile));
    CASEMATE_TRY(SigningKey key, open_key(private_key));
    const Bytes spki = key.public_key.spki();
    auto signer = eif::ImageSigner::create(std::move(file), std::move(key.sign));
    if (!signer) {
        return std::move(signer).error().while_doing(certificate);
    }
    if (signer->public_key().spki() != spki) {
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
