// For tests: signers with certificates of their own, made on the spot.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "crypto/issue.hpp"
#include "eif/signing.hpp"

namespace casemate::eif {

inline crypto::Seconds now_for_test() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

// TestSigner: a key, and its self-signed certificate, which begins and ends so many hours from now.
struct TestSigner {
    std::shared_ptr<const crypto::PrivateKey> key;
    std::string certificate_pem;

    static TestSigner make(crypto::Curve curve = crypto::Curve::p384, int begins = -1,
                           int ends = 24) {
        TestSigner signer;
        signer.key =
            std::make_shared<crypto::PrivateKey>(crypto::PrivateKey::generate(curve).value());
        crypto::CertificateTemplate what;
        what.serial = {1, 2, 3};
        what.subject = {{"C", "US"}, {"CN", "signer"}};
        what.not_before = now_for_test() + std::chrono::hours(begins);
        what.not_after = now_for_test() + std::chrono::hours(ends);
        what.key_usage = crypto::kDigitalSignature;
        signer.certificate_pem =
            crypto::issue(what, signer.key->public_key(), {what.subject, signer.key.get()})
                .value()
                .to_pem();
        return signer;
    }

    [[nodiscard]] Bytes certificate_file() const {
        return {as_bytes(certificate_pem).begin(), as_bytes(certificate_pem).end()};
    }
    [[nodiscard]] DigestSigner digest_signer() const {
        return [used = key](ByteView digest) { return used->sign_digest_der(digest); };
    }
    [[nodiscard]] ImageSigner image_signer() const {
        return ImageSigner::create(certificate_file(), digest_signer()).value();
    }
    [[nodiscard]] crypto::Certificate certificate() const {
        return crypto::Certificate::from_pem(as_bytes(certificate_pem)).value();
    }
};

}  // namespace casemate::eif
