// The control protocol between the supervisor and casemate-nsm: packets on one SOCK_SEQPACKET
// socket. The supervisor sends one Load; the module answers Loaded or Refused. The supervisor has
// the leaf key of Loaded certified and sends Certified; the module then answers the guest's
// requests on the request socket until that is closed. Before a leaf certificate ends the module
// sends NewLeafKey, and gets another Certified. All integers little-endian.
#pragma once

#include <array>
#include <map>
#include <string>
#include <variant>
#include <vector>

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
    // debug: the image's registers, 0 to 2 and 8, that the guest sees are zero (formats.md 1.7).
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
    // The leaf key: DER SubjectPublicKeyInfo, P-384. Its private part never leaves the module.
    Bytes leaf_key;

    bool operator==(const Loaded&) const = default;
};

// Certified: the leaf key's certificate and its chain, DER; the bundle is root first, as documents
// carry it.
struct Certified {
    Bytes leaf;
    std::vector<Bytes> bundle;
    // When the first of them ends, in milliseconds since 1970.
    std::int64_t valid_until_ms = 0;

    bool operator==(const Certified&) const = default;
};

// NewLeafKey: the module asks for a certificate for the key that is to follow the present one,
// which it uses until Certified comes. It asks again after a while when nothing comes.
struct NewLeafKey {
    Bytes leaf_key;

    bool operator==(const NewLeafKey&) const = default;
};

// Limits of what the packets carry, in bytes and certificates (formats.md 2.6).
inline constexpr std::size_t kMaxLeafKey = 256;
inline constexpr std::size_t kMaxCertificate = 1024;
inline constexpr std::size_t kMaxBundle = 8;

enum class RefusalKind : std::uint8_t {
    // The file is not an image that can be started.
    bad_image = 1,
    // The guest's memory is too small for the image.
    memory_too_small = 2,
    // Reading or writing failed.
    input_output = 3,
    // The image's signature is not good, or its certificate is not valid now.
    bad_signature = 4,
};

// Refused: nothing was started; the sentence says what was expected and found.
struct Refused {
    RefusalKind kind = RefusalKind::bad_image;
    std::string reason;

    bool operator==(const Refused&) const = default;
};

using SupervisorMessage = std::variant<Load, Certified>;
using ModuleMessage = std::variant<Loaded, Refused, NewLeafKey>;

[[nodiscard]] Bytes encode(const SupervisorMessage& message);
[[nodiscard]] Bytes encode(const ModuleMessage& message);
[[nodiscard]] Result<SupervisorMessage> decode_supervisor_message(ByteView packet);
[[nodiscard]] Result<ModuleMessage> decode_module_message(ByteView packet);

}  // namespace casemate::nsm
