// Principals: who calls, and whom a policy names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace casemate::policy {

// Caller: an ARN of a principal, taken apart. Views into the text.
struct Caller {
    enum class Kind : std::uint8_t {
        root,
        user,
        role,
        // A session of a role: "assumed-role/ROLE/SESSION".
        session,
        federated,
        // Anything that is none of these.
        other,
    };

    Kind kind = Kind::other;
    std::string_view arn;
    std::string_view partition;
    std::string_view account;
    // name: of the user or role, without its path; of a session, its role's.
    std::string_view name;

    static Caller of(std::string_view arn);
};

// Naming: how a list of principals names a caller. account: it names his account only.
enum class Naming : std::uint8_t { none, account, itself };

// Principals: the value of a Principal or NotPrincipal element.
class Principals {
public:
    enum class Type : std::uint8_t { aws, service, federated, canonical_user };
    static constexpr std::size_t kTypes = 4;

    // name_of gives the key of the element: "AWS", "Service", "Federated", "CanonicalUser".
    [[nodiscard]] static std::string_view name_of(Type type);

    // add takes one principal. Of type aws: "*", an account's id, the ARN of an account's root, a
    // user, a role or a session; the other types never name a caller here, and take any text.
    // Errors: PolicyErrc::invalid_principal.
    Result<> add(Type type, std::string_view text);

    // texts gives a type's principals as they were written.
    [[nodiscard]] const std::vector<std::string>& texts(Type type) const {
        return texts_[static_cast<std::size_t>(type)];
    }

    // names tells how the list names a caller. The root user is his account itself.
    [[nodiscard]] Naming names(const Caller& caller) const;

    // spares tells whether the list, as a NotPrincipal, leaves a caller out: where it names him
    // itself. A role in it spares all its sessions, unless sessions of that role stand beside it:
    // then those only.
    [[nodiscard]] bool spares(const Caller& caller) const;

private:
    // Named: a principal of type aws, taken apart once.
    struct Named {
        bool is_everyone = false;
        // A root user's account, however it was written.
        bool is_account = false;
        bool is_role = false;
        bool is_session = false;
        std::string text;
        // Empty for an account's bare id, which is of any partition.
        std::string partition;
        std::string account;
        std::string name;
    };

    [[nodiscard]] static bool is_role_of(const Named& named, const Caller& caller);
    [[nodiscard]] static Naming naming_of(const Named& named, const Caller& caller);

    std::vector<Named> named_;
    std::array<std::vector<std::string>, kTypes> texts_;
};

}  // namespace casemate::policy
