// Bodies that are never whole in memory: where they come from and where they go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace casemate::http {

// BodySink takes a body's next bytes, at least one. Its error ends the exchange and is its error.
using BodySink = std::function<Result<>(ByteView)>;

// BodySource gives a body.
struct BodySource {
    // size: of all that read gives; absent, the body is sent in chunks (RFC 9112 7.1) until read
    // gives 0.
    std::optional<std::uint64_t> size{};
    // read puts the next bytes at the beginning of what it is given and tells how many, 0 at the
    // end. Its error ends the exchange and is its error.
    std::function<Result<std::size_t>(MutableBytes)> read;
};

}  // namespace casemate::http
