// Content: bytes that stay where they are until they are needed.
#pragma once

#include <cstdint>
#include <memory>

#include "base/fd.hpp"

namespace casemate::image {

// Content: size bytes of an open seekable file from offset on. Copies share the file.
struct Content {
    std::shared_ptr<const UniqueFd> file;
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};

}  // namespace casemate::image
