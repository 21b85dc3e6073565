// The guest's requests and their answers (formats.md 2.3): CBOR in, CBOR out, no descriptors.
#pragma once

#include <functional>
#include <string>

#include "base/bytes.hpp"
#include "nsm/pcr_bank.hpp"

namespace casemate::nsm {

// ErrorCode: what the one key of {"Error": …} may say; the names are the protocol's.
enum class ErrorCode : std::uint8_t {
    invalid_argument,
    invalid_index,
    invalid_response,
    read_only_index,
    invalid_operation,
    buffer_too_small,
    input_too_large,
    internal_error,
};

// error_response is {"Error": code} as the guest gets it.
[[nodiscard]] Bytes error_response(ErrorCode code);

// Requests answers one request after another and owns the registers that they change.
//
// Offered: DescribeNSM, DescribePCR, ExtendPCR, LockPCR, LockPCRs, GetRandom. This version of the
// module issues no documents, and says so: Attestation is answered with InvalidOperation, which is
// what a module answers to a request that it does not offer.
class Requests {
public:
    // Fills the bytes with random ones; false when there are none to be had.
    using Random = std::function<bool(MutableBytes)>;

    // module_id is at most 100 bytes.
    Requests(PcrBank bank, std::string module_id, Random random = kernel_random);

    // answer gives the response to any bytes: at most kMaxResponseSize, always CBOR. A request
    // longer than kMaxRequestSize is InputTooLarge; one that is not CBOR, or not a request, or has
    // not the fields it needs, is InvalidOperation. Keys that a request does not know are ignored,
    // their order does not matter, and integers may be encoded wider than needed.
    [[nodiscard]] Bytes answer(ByteView request);

    [[nodiscard]] const PcrBank& bank() const { return bank_; }

    // kernel_random is getrandom(2).
    static bool kernel_random(MutableBytes out);

private:
    PcrBank bank_;
    std::string module_id_;
    Random random_;
};

}  // namespace casemate::nsm
