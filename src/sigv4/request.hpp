// Requests as Signature Version 4 sees them, free of any HTTP library.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"

namespace casemate::sigv4 {

// Header: a name, in any case, and its value.
using Header = std::pair<std::string, std::string>;
using Headers = std::vector<Header>;

// RequestView borrows a request for a call.
struct RequestView {
    // method in capitals: "POST".
    std::string_view method;
    // target is path and query as they are sent, percent-encoded: "/", "/keys?limit=3".
    std::string_view target;
    // headers in the order in which they are sent.
    std::span<const Header> headers;
    ByteView body;
};

// Limits of what is signed and verified; more is malformed_request. A body has none here: whoever
// reads it from the network limits it.
inline constexpr std::size_t kMaxMethod = 32;
inline constexpr std::size_t kMaxTarget = 16384;
inline constexpr std::size_t kMaxQueryParameters = 256;
inline constexpr std::size_t kMaxHeaders = 128;
// kMaxHeaderBytes: of all names and values together.
inline constexpr std::size_t kMaxHeaderBytes = 65536;

}  // namespace casemate::sigv4
