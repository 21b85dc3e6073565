// For tests: the certificates that an authority would give a leaf key (formats.md 2.5).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "crypto/issue.hpp"
#include "nsm/leaf_keys.hpp"

namespace casemate::nsm::forged {

// Chain: an authority of four levels, made for one test.
class Chain {
public:
    // Everything it issues is valid from an hour before that time.
    explicit Chain(TimeMs now)
        : start_(std::chrono::floor<std::chrono::seconds>(
                     std::chrono::sys_time<std::chrono::milliseconds>(
                         std::chrono::milliseconds(now))) -
                 std::chrono::hours(1)) {
        for (const char* name : {"root", "region", "zone", "instance"}) {
            add(name);
        }
    }

    // certify gives a leaf certificate for the key, and says that all of it ends at that time.
    [[nodiscard]] Certified certify(ByteView leaf_key, TimeMs valid_until) const {
        crypto::CertificateTemplate leaf = shape("leaf");
        leaf.key_usage = crypto::kDigitalSignature | crypto::kNonRepudiation;
        leaf.key_usage_critical = false;
        const auto key = crypto::PublicKey::from_spki(leaf_key).value();
        const auto made =
            crypto::issue(leaf, key, {levels_.back().name, &levels_.back().key}).value();
        return {made.der(), bundle_, valid_until};
    }

    // The bundle's certificates, root first.
    [[nodiscard]] const std::vector<Bytes>& bundle() const { return bundle_; }
    // The key that signs leaf certificates.
    [[nodiscard]] const crypto::PublicKey& issuer() const {
        return levels_.back().key.public_key();
    }

private:
    struct Level {
        crypto::Name name;
        crypto::PrivateKey key;
    };

    [[nodiscard]] crypto::CertificateTemplate shape(const std::string& name) const {
        crypto::CertificateTemplate what;
        what.serial = {1};
        what.subject = {{"O", "Casemate"}, {"CN", name}};
        what.not_before = start_;
        what.not_after = start_ + std::chrono::hours(24);
        return what;
    }

    void add(const std::string& name) {
        auto key = crypto::PrivateKey::generate(crypto::Curve::p384).value();
        crypto::CertificateTemplate what = shape(name);
        what.is_ca = true;
        what.key_usage = crypto::kKeyCertSign;
        const crypto::Issuer issuer =
            levels_.empty() ? crypto::Issuer{what.subject, &key}
                            : crypto::Issuer{levels_.back().name, &levels_.back().key};
        bundle_.push_back(crypto::issue(what, key.public_key(), issuer).value().der());
        levels_.push_back({what.subject, std::move(key)});
    }

    crypto::Seconds start_;
    std::vector<Level> levels_;
    std::vector<Bytes> bundle_;
};

}  // namespace casemate::nsm::forged
