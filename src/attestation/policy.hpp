// Policy: what a relying party expects of a document beyond its being genuine.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "attestation/document.hpp"

namespace casemate::attestation {

// ExpectedPcrs: one or more alternatives ("release 1", "release 2"); a document has to meet every
// register of at least one of them, so that registers of different releases can't be mixed. Without
// an alternative everything is accepted.
class ExpectedPcrs {
public:
    // Alternative: for each register the values that will do.
    using Alternative = std::map<std::uint16_t, std::set<PcrValue>>;

    // The most alternatives that from_json and combine make.
    static constexpr std::size_t kMaxAlternatives = 1024;

    // require narrows: in every alternative the register has to have one of these values, and one
    // of those that the alternative accepted before. Without an alternative it makes one.
    void require(std::uint16_t index, const std::set<PcrValue>& values);
    // add_alternative adds a way to be accepted. A register without any value accepts no document.
    void add_alternative(Alternative alternative);
    // combine makes a document have to meet other as well; alternatives that nothing can meet any
    // more go. AttestationErrc bad_expectation, and nothing has changed, when none would be left or
    // there would be too many.
    [[nodiscard]] Result<> combine(const ExpectedPcrs& other);
    [[nodiscard]] const std::vector<Alternative>& alternatives() const { return alternatives_; }
    [[nodiscard]] bool empty() const { return alternatives_.empty(); }

    // from_json reads {"PCR0": HEX or [HEX, …], …}, or an array of such objects, each an
    // alternative. What build-enclave and describe-eif print ({"Measurements": {"HashAlgorithm": …,
    // "PCR0": …}}) is understood too. Anything else is refused, so that nothing that was meant to
    // be expected is overlooked: unknown keys, a key twice, an alternative without a register.
    // AttestationErrc bad_expectation.
    [[nodiscard]] static Result<ExpectedPcrs> from_json(std::string_view json);
    // from_eif measures an enclave image (open, from its start): PCR0, 1, 2, and 8 when it is
    // signed. Errors: those of eif::measure; EifErrc wrong_crc.
    [[nodiscard]] static Result<ExpectedPcrs> from_eif(int image);

private:
    std::vector<Alternative> alternatives_;
};

struct Policy {
    // now is the time of the verification; nothing else asks a clock. Between 1970 and kLastTime.
    Time now;
    // at_document_time: certificates have to be valid at the document's own timestamp instead of
    // now, for documents out of an archive. Freshness is not checked then.
    bool at_document_time = false;
    // The document's clock may be ahead of ours by this much. Certificates get no such grace: a
    // leaf is valid from three seconds before it was made.
    std::chrono::milliseconds clock_skew{std::chrono::seconds(60)};
    // A document that is older is refused.
    std::optional<std::chrono::milliseconds> max_age;
    // The nonce that this document must carry.
    std::optional<Bytes> nonce;
    ExpectedPcrs pcrs;
    std::set<Isolation> isolation{Isolation::nitro, Isolation::kvm};
    bool allow_debug = false;
};

}  // namespace casemate::attestation
