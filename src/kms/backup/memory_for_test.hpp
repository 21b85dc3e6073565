// Backups in memory.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kms/backup/stream.hpp"

namespace casemate::kms {

inline Sink sink_into(Bytes& file) {
    return [&file](ByteView bytes) -> Result<> {
        file.insert(file.end(), bytes.begin(), bytes.end());
        return {};
    };
}

// source_from reads as a pipe does: never more than some bytes at once.
inline Source source_from(ByteView file, std::size_t most = SIZE_MAX) {
    return [file, most](MutableBytes out) mutable -> Result<std::size_t> {
        const std::size_t size = std::min({out.size(), file.size(), most});
        std::ranges::copy(file.first(size), out.begin());
        file = file.subspan(size);
        return size;
    };
}

}  // namespace casemate::kms
