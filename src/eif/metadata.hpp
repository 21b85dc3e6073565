// The metadata section (formats.md 1.5): what an image says about itself. It is in no measurement.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace casemate::eif {

struct Metadata {
    std::string image_name;
    std::string image_version;
    // build_time is RFC 3339 with an offset.
    std::string build_time;
    std::string build_tool;
    std::string build_tool_version;
    std::string operating_system;
    std::string kernel_version;
    // docker_info and custom are JSON texts; "null" when there is nothing to say.
    std::string docker_info = "null";
    std::string custom = "null";

    bool operator==(const Metadata&) const = default;
};

// encode gives compact JSON in AWS's key order. Errors: EifErrc bad_metadata when docker_info or
// custom is not JSON.
[[nodiscard]] Result<Bytes> encode(const Metadata& metadata);

// parse_metadata accepts further keys and any order, and an absent CustomMetadata as null. Errors:
// EifErrc bad_metadata.
[[nodiscard]] Result<Metadata> parse_metadata(ByteView section);

// build_time_text is the time for the metadata: SOURCE_DATE_EPOCH's seconds when the environment
// has it, so that a build can be repeated to the byte, else now. Errors: EifErrc bad_metadata when
// SOURCE_DATE_EPOCH is not a number of seconds.
[[nodiscard]] Result<std::string> build_time_text();

// KernelIdentity: what the third line of a kernel's configuration file says it is.
struct KernelIdentity {
    std::string operating_system;
    std::string version;
};
// parse_kernel_config reads "# Linux/x86_64 6.12.1 Kernel Configuration" (formats.md 1.5). Errors:
// EifErrc bad_metadata.
[[nodiscard]] Result<KernelIdentity> parse_kernel_config(std::string_view text);

}  // namespace casemate::eif
