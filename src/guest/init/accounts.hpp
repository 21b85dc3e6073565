// The image's USER: names and numbers looked up in the image's own /etc/passwd and /etc/group by
// the rules that Docker has. Pure: no name service of the C library is asked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace casemate::guest {

struct Identity {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups;  // supplementary
    std::string home = "/";             // the account's, "/" when it has none

    bool operator==(const Identity&) const = default;
};

// resolve_identity reads "", "name", "uid", "name:group" or "uid:gid" against the texts of passwd
// and group (empty when the image has no such file; lines that aren't accounts are passed over).
// * "" is uid 0. A number is the user of that number, whether or not passwd knows it.
// * Without ":group" the group is the account's (0 when unknown) and the groups that list the
//   account are supplementary; with it there are no supplementary groups.
// GuestErrc::bad_user when a name is unknown or a number is above 4294967294.
[[nodiscard]] Result<Identity> resolve_identity(std::string_view user, std::string_view passwd,
                                                std::string_view group);

}  // namespace casemate::guest
