// Trust: whose attestation documents count, and what else is asked of them.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "attestation/verifier.hpp"
#include "kms/error.hpp"

namespace casemate::kms {

struct TrustRules {
    // roots: PEM files of one or more certificates each. A file that is not there yet (an authority
    // makes its root with its first enclave) trusts nobody until it is.
    std::vector<std::string> roots;
    std::set<attestation::Isolation> isolation{attestation::Isolation::nitro,
                                               attestation::Isolation::kvm};
    bool allow_debug = false;
    // A document that is older is refused: whoever has got hold of one can't use it for long.
    std::chrono::milliseconds max_age{std::chrono::minutes(5)};
};

// All functions may be called from any thread.
class Trust {
public:
    explicit Trust(TrustRules rules) : rules_(std::move(rules)) {}

    // verify judges a document; roots that have changed on the disk are read anew. Errors:
    // AttestationErrc; bad_roots also where there is none.
    [[nodiscard]] Result<attestation::VerifiedDocument> verify(ByteView document,
                                                               attestation::Time now);
    [[nodiscard]] const TrustRules& rules() const { return rules_; }

private:
    [[nodiscard]] Result<std::shared_ptr<const attestation::Verifier>> verifier();

    TrustRules rules_;
    std::mutex mutex_;
    // fingerprint of the files as they were read: devices, inodes, sizes and times.
    std::string fingerprint_;
    std::shared_ptr<const attestation::Verifier> verifier_;
};

}  // namespace casemate::kms
