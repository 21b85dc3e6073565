#include "kms/operations/tags.hpp"

#include <algorithm>

#include "kms/core/checks.hpp"
#include "kms/operations/own_key.hpp"
#include "policy/context.hpp"

namespace casemate::kms {

namespace {

constexpr std::size_t kMaxTagKey = 128;
constexpr std::size_t kMaxTagValue = 256;
constexpr std::string_view kReserved = "aws:";
constexpr std::size_t kMostListed = 50;

// characters counts those of well-formed UTF-8.
std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char letter) {
        return (static_cast<unsigned char>(letter) & 0xc0U) != 0x80U;
    }));
}

Result<> check_characters(const std::string& name, std::string_view found, std::size_t least,
                          std::size_t most) {
    const std::size_t count = characters(found);
    if (count < least) {
        return Fields::refused(
            name, found,
            "Member must have length greater than or equal to " + std::to_string(least));
    }
    if (count > most) {
        return Fields::refused(
            name, found, "Member must have length less than or equal to " + std::to_string(most));
    }
    return {};
}

bool is_reserved(std::string_view tag_key) {
    return policy::lower(tag_key.substr(0, kReserved.size())) == kReserved;
}

// read_tag reads one of the list, counted from 1, into tags.
Result<> read_tag(const Fields& item, std::size_t number, Tags& tags) {
    const std::string place = "Tags." + std::to_string(number) + ".member.";
    for (const std::string_view member : {"TagKey", "TagValue"}) {
        if (!item.has(member)) {
            return Fields::missing(place + (member == "TagKey" ? "tagKey" : "tagValue"));
        }
    }
    CASEMATE_TRY(std::string key, item.text("TagKey"));
    CASEMATE_CHECK(check_characters(place + "tagKey", key, 1, kMaxTagKey));
    CASEMATE_TRY(std::string value, item.text("TagValue"));
    CASEMATE_CHECK(check_characters(place + "tagValue", value, 0, kMaxTagValue));
    if (is_reserved(key)) {
        return Error(KmsErrc::tag, "Tags beginning with aws: are reserved");
    }
    if (!tags.emplace(std::move(key), std::move(value)).second) {
        return Error(KmsErrc::tag, "Duplicate tag keys");
    }
    return {};
}

Error too_many() {
    return {KmsErrc::tag, "Too many tags"};
}

Result<std::vector<std::string>> read_tag_keys(const Fields& fields) {
    if (!fields.has("TagKeys")) {
        return Fields::missing("TagKeys");
    }
    CASEMATE_TRY(std::vector<std::string> keys, fields.texts("TagKeys"));
    if (keys.size() > kMostTags) {
        return too_many();
    }
    for (std::size_t i = 0; i < keys.size(); ++i) {
        CASEMATE_CHECK(check_characters("TagKeys." + std::to_string(i + 1) + ".member", keys[i], 1,
                                        kMaxTagKey));
    }
    return keys;
}

Result<Answer> tag_once(Core& core, Call& call) {
    const Fields fields(call.input);
    if (!fields.has("Tags")) {
        return Fields::missing("Tags");
    }
    CASEMATE_TRY(const Tags tags, read_tags(fields));
    CASEMATE_TRY(const NamedKey named, own_key(core, call, fields));
    Asked asked;
    asked.action = call.operation;
    asked.key = &named;
    std::vector<std::string> names;
    put_tag_conditions(asked, tags, names);
    CASEMATE_CHECK(permit(core, call, asked));
    Key key = named.key();
    CASEMATE_CHECK(require_state(key, call.operation));
    for (const auto& [tag_key, value] : tags) {
        key.tags.insert_or_assign(tag_key, value);
    }
    if (key.tags.size() > kMostTags) {
        return too_many();
    }
    if (key.tags != named.key().tags) {
        CASEMATE_CHECK(core.repository.update_key(key));
    }
    return call.answer();
}

Result<Answer> untag_once(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const std::vector<std::string> keys, read_tag_keys(fields));
    CASEMATE_TRY(const NamedKey named, own_key(core, call, fields));
    Asked asked;
    asked.action = call.operation;
    asked.key = &named;
    asked.lists.emplace_back("aws:TagKeys", keys);
    CASEMATE_CHECK(permit(core, call, asked));
    Key key = named.key();
    CASEMATE_CHECK(require_state(key, call.operation));
    for (const std::string& tag_key : keys) {
        key.tags.erase(tag_key);
    }
    if (key.tags != named.key().tags) {
        CASEMATE_CHECK(core.repository.update_key(key));
    }
    return call.answer();
}

}  // namespace

Result<Tags> read_tags(const Fields& fields) {
    CASEMATE_TRY(const std::vector<Fields> items, fields.objects("Tags"));
    if (items.size() > kMostTags) {
        return too_many();
    }
    Tags tags;
    for (std::size_t i = 0; i < items.size(); ++i) {
        CASEMATE_CHECK(read_tag(items[i], i + 1, tags));
    }
    return tags;
}

void put_tag_conditions(Asked& asked, const Tags& tags, std::vector<std::string>& names) {
    // Reserved at once, so that what asked borrows stays where it is.
    names.clear();
    names.reserve(tags.size());
    std::vector<std::string> keys;
    for (const auto& [key, value] : tags) {
        names.push_back("aws:RequestTag/" + key);
        asked.conditions.emplace_back(names.back(), value);
        keys.push_back(key);
    }
    asked.lists.emplace_back("aws:TagKeys", std::move(keys));
}

Result<Answer> tag_resource(Core& core, Call& call) {
    return retried(core, call, tag_once);
}

Result<Answer> untag_resource(Core& core, Call& call) {
    return retried(core, call, untag_once);
}

Result<Answer> list_resource_tags(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const PageRequest page, read_page_request(fields, kMostListed, kMostListed));
    CASEMATE_TRY(const NamedKey named, permitted_key(core, call, fields));
    Answer answer = call.answer();
    json::array listed(call.memory);
    std::optional<std::string> next;
    const Tags& tags = named.key().tags;
    for (auto tag = tags.upper_bound(page.after); tag != tags.end(); ++tag) {
        if (listed.size() == page.limit) {
            next = std::prev(tag)->first;
            break;
        }
        json::object item(call.memory);
        item["TagKey"] = tag->first;
        item["TagValue"] = tag->second;
        listed.emplace_back(std::move(item));
    }
    answer["Tags"] = std::move(listed);
    put_page(answer, next);
    return answer;
}

}  // namespace casemate::kms
