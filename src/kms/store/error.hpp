// Errors of the key management service's store.
#pragma once

#include <cstdint>
#include <string_view>

namespace casemate::kms {

enum class StoreErrc : std::uint8_t {
    // The row has been changed since it was read.
    conflict,
    // There is one of that name already.
    exists,
    // There is none of that name, or none that what is made would belong to.
    not_found,
    // The database does not answer, is locked by others for too long, or has no room left. Nothing
    // was changed, except where the connection went at the moment of a commit.
    unavailable,
    // What the database holds is not what was stored.
    damaged,
    // The directory or its files are not their owner's alone, or the address is none.
    bad_place,
    // Text that is no UTF-8 or holds a NUL: not every database keeps it.
    bad_text,
    // Things are kept where there must be none yet.
    not_empty,
};

[[nodiscard]] std::string_view describe(StoreErrc code);

}  // namespace casemate::kms
