// The request context: what is known about a request, by condition keys.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace casemate::policy {

// lower gives text with its ASCII letters small.
[[nodiscard]] std::string lower(std::string_view text);

// Context: from each condition key that is present to its values. Names of keys are
// case-insensitive, values are not. Most keys have one value; kms:EncryptionContextKeys and
// aws:TagKeys may have many or none. A key with no values is present for nobody: operators treat it
// as absent.
class Context {
public:
    // set gives a key this one value instead of all that it had.
    void set(std::string_view key, std::string value);
    // set_all gives a key these values instead of all that it had.
    void set_all(std::string_view key, std::vector<std::string> values);
    // add puts a value behind those that a key has.
    void add(std::string_view key, std::string value);

    // find gives a key's values by its name in small letters, or nullptr.
    [[nodiscard]] const std::vector<std::string>* find(std::string_view lower_case_key) const;

    [[nodiscard]] const std::map<std::string, std::vector<std::string>, std::less<>>& keys() const {
        return keys_;
    }

private:
    std::map<std::string, std::vector<std::string>, std::less<>> keys_;
};

// set_principal sets what follows from a caller's ARN: aws:PrincipalArn (of a role session: the
// role's, without the path that the session does not tell), aws:PrincipalAccount, aws:PrincipalType
// ("Account", "User", "AssumedRole", "FederatedUser") and, for users, aws:username. Another text
// sets aws:PrincipalArn alone.
void set_principal(Context& context, std::string_view arn);

// set_time sets aws:CurrentTime (RFC 3339) and aws:EpochTime (whole seconds).
void set_time(Context& context, std::chrono::sys_time<std::chrono::milliseconds> now);

}  // namespace casemate::policy
