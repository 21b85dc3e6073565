// Errors of the authority room.
#pragma once

#include <cstdint>
#include <string_view>

namespace casemate::authority {

enum class AuthorityErrc : std::uint8_t {
    // What the machine says of itself can't be used.
    bad_instance,
    // The directory or a file of it can't be used: not this user's, readable by others, damaged.
    bad_store,
    // init where there is one already; anything else where there is none.
    exists,
    missing,
    // Another process holds the lock for too long.
    busy,
    // A key of a token can't be used.
    token,
    // The root's own validity does not cover what is to be issued.
    out_of_time,
    bad_request,
};

[[nodiscard]] std::string_view describe(AuthorityErrc code);

}  // namespace casemate::authority
