#include "nsm/leaf_keys.hpp"

#include <algorithm>
#include <chrono>

#include "crypto/certificate.hpp"

namespace casemate::nsm {

TimeMs wall_clock() {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

Result<LeafKeys> LeafKeys::make(TimeMs now) {
    CASEMATE_TRY(crypto::PrivateKey first, crypto::PrivateKey::generate(crypto::Curve::p384));
    return LeafKeys(std::move(first), now);
}

Bytes LeafKeys::waiting() const {
    return waiting_ ? waiting_->public_key().spki() : Bytes();
}

Result<> LeafKeys::certify(Certified certified, TimeMs now) {
    if (!waiting_) {
        return Error(NsmErrc::bad_certificate, "expected none, since no key waits for one");
    }
    if (certified.valid_until_ms <= now) {
        return Error(NsmErrc::bad_certificate, "expected one that ends after " +
                                                   std::to_string(now) + ", found an end at " +
                                                   std::to_string(certified.valid_until_ms));
    }
    CASEMATE_TRY(const auto certificate, crypto::Certificate::from_der(certified.leaf));
    CASEMATE_TRY(const crypto::PublicKey key, certificate.public_key());
    if (key.spki() != waiting_->public_key().spki()) {
        return Error(NsmErrc::bad_certificate,
                     "expected one for the key that waits, found one for another key");
    }
    const TimeMs life = certified.valid_until_ms - now;
    renewal_ = now + std::max(life - life / 3, kLeastTerm);
    signer_ = Signer{std::move(*waiting_), std::move(certified)};
    waiting_.reset();
    return {};
}

const LeafKeys::Signer* LeafKeys::signer(TimeMs now) const {
    return signer_ && now < signer_->certified.valid_until_ms ? &*signer_ : nullptr;
}

TimeMs LeafKeys::next_request() const {
    return waiting_ ? asked_ + kAskAgain : renewal_;
}

Result<std::optional<NewLeafKey>> LeafKeys::request(TimeMs now) {
    // A clock that was set back must not put the next request off.
    const bool set_back = waiting_ && now < asked_;
    if (now < next_request() && !set_back) {
        return std::optional<NewLeafKey>();
    }
    if (!waiting_) {
        auto made = crypto::PrivateKey::generate(crypto::Curve::p384);
        if (!made) {
            renewal_ = now + kAskAgain;
            return std::move(made).error();
        }
        waiting_ = std::move(*made);
    }
    asked_ = now;
    return std::optional(NewLeafKey{waiting()});
}

}  // namespace casemate::nsm
