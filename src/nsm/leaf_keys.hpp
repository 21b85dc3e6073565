// The leaf key: made in this process, certified from outside, replaced before its certificates end.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/key.hpp"
#include "nsm/control.hpp"
#include "nsm/errors.hpp"

namespace casemate::nsm {

// TimeMs: milliseconds since 1970 by the wall clock, as certificates and documents count.
using TimeMs = std::int64_t;

// wall_clock gives the time now.
[[nodiscard]] TimeMs wall_clock();

// LeafKeys holds the key that signs, once it is certified, and at most one that waits for its
// certificate. It tells when a key is to be asked about; the time always comes from the caller.
class LeafKeys {
public:
    // How long an answer is waited for before the key is asked about once more. Certifying takes
    // milliseconds; what makes it fail (a full disk, a token that is away) takes longer to go, and
    // of a leaf's three hours there are still sixty such minutes left at the first request.
    static constexpr TimeMs kAskAgain = 60'000;
    // The least time from a certificate to the request for the next: certificates that end at once
    // must not keep the module making keys.
    static constexpr TimeMs kLeastTerm = 1'000;

    // Signer: a key and the certificates that speak for it.
    struct Signer {
        crypto::PrivateKey key;
        Certified certified;
    };

    // make makes the first key, which waits and counts as asked about at that time. Errors: those
    // of crypto::PrivateKey::generate.
    [[nodiscard]] static Result<LeafKeys> make(TimeMs now);

    // waiting gives the key that waits for its certificate, as DER SubjectPublicKeyInfo; empty when
    // none does.
    [[nodiscard]] Bytes waiting() const;

    // certify takes certificates for the waiting key, which from now on signs in place of the one
    // before. The next key is due when two thirds of the time to their end have passed. On an error
    // nothing has changed: NsmErrc::bad_certificate when no key waits, the leaf certificate is for
    // another key, or the end has come already; those of crypto::Certificate.
    [[nodiscard]] Result<> certify(Certified certified, TimeMs now);

    // signer gives what signs documents; nothing before the first certificates and from their end
    // on.
    [[nodiscard]] const Signer* signer(TimeMs now) const;

    // next_request tells when request has something to do.
    [[nodiscard]] TimeMs next_request() const;
    // request gives the key to ask a certificate for, when that is due: a new one, or again the one
    // that waits. Errors: those of crypto::PrivateKey::generate; then it is due again later.
    [[nodiscard]] Result<std::optional<NewLeafKey>> request(TimeMs now);

private:
    LeafKeys(crypto::PrivateKey first, TimeMs now) : waiting_(std::move(first)), asked_(now) {}

    std::optional<crypto::PrivateKey> waiting_;
    // When waiting_ was last asked about.
    TimeMs asked_ = 0;
    std::optional<Signer> signer_;
    // When the key to follow signer_ is due.
    TimeMs renewal_ = 0;
};

}  // namespace casemate::nsm
