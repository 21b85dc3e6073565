// Tags: TagResource, UntagResource, ListResourceTags.
#pragma once

#include <map>
#include <string>

#include "kms/core/access.hpp"
#include "kms/core/fields.hpp"

namespace casemate::kms {

using Tags = std::map<std::string, std::string>;

// kMostTags that a key can have.
inline constexpr std::size_t kMostTags = 50;

// read_tags reads Tags; empty where there is none. Errors: KmsErrc validation, serialization, tag
// for doubled and reserved keys and for more than kMostTags.
[[nodiscard]] Result<Tags> read_tags(const Fields& fields);

// put_tag_conditions adds aws:RequestTag/… and aws:TagKeys to what is asked. names is where the
// texts live that asked then borrows.
void put_tag_conditions(Asked& asked, const Tags& tags, std::vector<std::string>& names);

[[nodiscard]] Result<Answer> tag_resource(Core& core, Call& call);
[[nodiscard]] Result<Answer> untag_resource(Core& core, Call& call);
[[nodiscard]] Result<Answer> list_resource_tags(Core& core, Call& call);

}  // namespace casemate::kms
