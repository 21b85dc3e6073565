#include "guest/init/accounts.hpp"

#include <algorithm>
#include <optional>

#include "guest/init/error.hpp"
#include "guest/init/text.hpp"

namespace casemate::guest {

namespace {

// (uid_t)-1 means "leave alone" to the kernel, so it is nobody's number.
constexpr std::uint32_t kMaxId = 0xffff'fffe;

struct Account {
    std::string_view name;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::string_view home;
};

struct Group {
    std::string_view name;
    std::uint32_t gid = 0;
    std::string_view members;
};

std::optional<Account> parse_account(std::string_view line) {
    const auto fields = split(line, ':');
    if (fields.size() < 7) {
        return std::nullopt;
    }
    const auto uid = parse_decimal(fields[2], kMaxId);
    const auto gid = parse_decimal(fields[3], kMaxId);
    if (!uid || !gid) {
        return std::nullopt;
    }
    return Account{fields[0], *uid, *gid, fields[5]};
}

std::optional<Group> parse_group(std::string_view line) {
    const auto fields = split(line, ':');
    if (fields.size() < 3) {
        return std::nullopt;
    }
    const auto gid = parse_decimal(fields[2], kMaxId);
    if (!gid) {
        return std::nullopt;
    }
    return Group{fields[0], *gid, fields.size() > 3 ? fields[3] : std::string_view()};
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool lists(const Group& group, std::string_view name) {
    const auto members = split(group.members, ',');
    return std::find(members.begin(), members.end(), name) != members.end();
}

Result<std::optional<Account>> find_account(std::string_view user, std::string_view passwd) {
    const auto number = parse_decimal(user, kMaxId);
    for (const std::string_view line : split_entries(passwd, '\n')) {
        const auto account = parse_account(line);
        if (account && (number ? account->uid == *number : account->name == user)) {
            return account;
        }
    }
    if (!number) {
        return unexpected(GuestErrc::bad_user,
                          is_number(user) ? "the image's user number to be at most 4294967294"
                                          : "the image's user in its /etc/passwd",
                          printable(user, 64) + (is_number(user) ? "" : ", which is not there"));
    }
    return std::optional<Account>(Account{{}, *number, 0, {}});
}

Result<std::uint32_t> find_group(std::string_view name, std::string_view group) {
    const auto number = parse_decimal(name, kMaxId);
    if (number) {
        return *number;
    }
    for (const std::string_view line : split_entries(group, '\n')) {
        const auto entry = parse_group(line);
        if (entry && entry->name == name && !is_number(name)) {
            return entry->gid;
        }
    }
    return unexpected(GuestErrc::bad_user,
                      is_number(name) ? "the image's group number to be at most 4294967294"
                                      : "the image's group in its /etc/group",
                      printable(name, 64) + (is_number(name) ? "" : ", which is not there"));
}

}  // namespace

Result<Identity> resolve_identity(std::string_view user, std::string_view passwd,
                                  std::string_view group) {
    const std::size_t colon = user.find(':');
    const std::string_view name = user.substr(0, colon);
    const std::string_view group_name =
        colon == std::string_view::npos ? std::string_view() : user.substr(colon + 1);

    CASEMATE_TRY(const std::optional<Account> account,
                 find_account(name.empty() ? "0" : name, passwd));
    Identity identity;
    identity.uid = account->uid;
    identity.gid = account->gid;
    if (!account->home.empty()) {
        identity.home = account->home;
    }
    if (!group_name.empty()) {
        CASEMATE_TRY(identity.gid, find_group(group_name, group));
        return identity;
    }
    for (const std::string_view line : split_entries(group, '\n')) {
        const auto entry = parse_group(line);
        if (entry && !account->name.empty() && lists(*entry, account->name)) {
            identity.groups.push_back(entry->gid);
        }
    }
    return identity;
}

}  // namespace casemate::guest
