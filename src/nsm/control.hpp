// The control protocol between the supervisor and casemate-nsm: packets on one SOCK_SEQPACKET
// socket. The supervisor sends one Load; the module answers Loaded or Refused, and then answers the
// guest's requests on the request socket until that is closed. All integers little-endian.
#pragma once

#include <array>
#include <map>
#include <string>
#include <variant>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "machine/boot_image.hpp"

namespace casemate::nsm {

inline constexpr std::size_t kMaxControlPacket = 32768;

// The limits of the driver's ABI (formats.md 2.1): bytes of one request, of one response.
inline constexpr std::size_t kMaxRequestSize = 0x1000;
inline constexpr std::size_t kMaxResponseSize = 0x3000;

using PcrValue = std::array<std::uint8_t, 48>;

// Load: check the image, copy it into guest memory, measure what was copied. Descriptors, in this
// order: the EIF (read-only), the guest memory file (sized, empty), the NSM request socket.
struct Load {
    std::uint64_t memory_bytes = 0;
    // debug: the registers 0 to 2 that the guest sees are zero (formats.md 1.7).
    bool debug = false;
    // module_id is what DescribeNSM answers: "<instance id>-enc<slot uid in hex>".
    std::string module_id;
    // What PCR3 and PCR4 measure; empty: the register stays zero.
    std::string role_arn;
    std::string instance_id;

    bool operator==(const Load&) const = default;
};

// Loaded: the image is in guest memory and measured.
struct Loaded {
    machine::BootImage image;
    // The image's own PCR0, 1, 2 and, when it is signed, 8: the same in debug mode.
    std::map<std::uint16_t, PcrValue> measurements;

    bool operator==(const Loaded&) const = default;
};

enum class RefusalKind : std::uint8_t {
    // The file is not an image that can be started.
    bad_image = 1,
    // The guest's memory is too small for the image.
    memory_too_small = 2,
    // Reading or writing failed.
    input_output = 3,
};

// Refused: nothing was started; the sentence says what was expected and found.
struct Refused {
    RefusalKind kind = RefusalKind::bad_image;
    std::string reason;

    bool operator==(const Refused&) const = default;
};

using ModuleMessage = std::variant<Loaded, Refused>;

[[nodiscard]] Bytes encode(const Load& message);
[[nodiscard]] Bytes encode(const ModuleMessage& message);
[[nodiscard]] Result<Load> decode_load(ByteView packet);
[[nodiscard]] Result<ModuleMessage> decode_module_message(ByteView packet);

}  // namespace casemate::nsm
