// The guest's requests and their answers (formats.md 2.3): CBOR in, CBOR out, no descriptors.
#pragma once

#include <functional>
#include <string>

#include "base/bytes.hpp"
#include "nsm/leaf_keys.hpp"
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

// Requests answers one request after another and owns the registers that they change: DescribeNSM,
// DescribePCR, ExtendPCR, LockPCR, LockPCRs, GetRandom and Attestation.
class Requests {
public:
    // Fills the bytes with random ones; false when there are none to be had.
    using Random = std::function<bool(MutableBytes)>;
    // Gives the time now.
    using Clock = std::function<TimeMs()>;

    // module_id is at most 100 bytes. The keys are the caller's, who may renew them between two
    // requests.
    Requests(PcrBank bank, std::string module_id, const LeafKeys& keys, Clock clock = wall_clock,
             Random random = kernel_random);

    // answer gives the response to any bytes: at most kMaxResponseSize, always CBOR. Keys that a
    // request does not know are ignored, their order does not matter, integers may be encoded wider
    // than needed, and text is taken where bytes are wanted. What is answered otherwise:
    //   * InputTooLarge: a request longer than kMaxRequestSize, a field of Attestation longer than
    //     kMaxDocumentField;
    //   * InvalidOperation: what is not CBOR, or not a request, or has not the fields it needs;
    //   * InvalidIndex, ReadOnlyIndex: no such register, one that is locked;
    //   * BufferTooSmall: a document that does not fit the driver's buffer;
    //   * InternalError: no random numbers; no certificate that is valid now, so no document.
    [[nodiscard]] Bytes answer(ByteView request);

    [[nodiscard]] const PcrBank& bank() const { return bank_; }

    // kernel_random is getrandom(2).
    static bool kernel_random(MutableBytes out);

private:
    PcrBank bank_;
    std::string module_id_;
    const LeafKeys& keys_;
    Clock clock_;
    Random random_;
};

}  // namespace casemate::nsm
