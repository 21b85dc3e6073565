#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>

#include "base/file.hpp"
#include "codec/base64.hpp"
#include "codec/rfc3339.hpp"
#include "crypto/random.hpp"
#include "http/wire.hpp"
#include "kms/cli/commands.hpp"
#include "kms/cli/open.hpp"
#include "kms/core/session.hpp"
#include "policy/principal.hpp"

namespace casemate::kms::cli {

namespace {

namespace json = boost::json;

constexpr std::string_view kDefaultPolicy =
    R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]})";
constexpr std::size_t kPage = 1000;

Error bad_argument(const std::string& sentence) {
    return {service::ServiceErrc::bad_option, sentence};
}

int fail(Console& console, const Error& error) {
    return console.fail(error, error.is(service::ServiceErrc::bad_option) ? kUsage : kFailed);
}

bool consists_of(std::string_view text, std::string_view letters, std::size_t most) {
    return !text.empty() && text.size() <= most &&
           text.find_first_not_of(letters) == std::string_view::npos;
}

constexpr std::string_view kNameLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=,.@_-";

bool is_account(std::string_view text) {
    constexpr std::size_t kDigits = 12;
    return text.size() == kDigits && consists_of(text, "0123456789", kDigits);
}

// is_caller_arn tells whether an ARN is one that callers have.
bool is_caller_arn(std::string_view arn) {
    constexpr std::string_view kIam = "arn:aws:iam::";
    constexpr std::string_view kSts = "arn:aws:sts::";
    constexpr std::size_t kAccount = 12;
    constexpr std::size_t kMost = 512;
    const bool sts = arn.starts_with(kSts);
    if ((!sts && !arn.starts_with(kIam)) || arn.size() > kMost) {
        return false;
    }
    arn.remove_prefix(kIam.size());
    if (arn.size() <= kAccount + 1 || !is_account(arn.substr(0, kAccount)) ||
        arn[kAccount] != ':') {
        return false;
    }
    const std::string_view rest = arn.substr(kAccount + 1);
    if (rest == "root") {
        return !sts;
    }
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) {
        return false;
    }
    const std::string_view kind = rest.substr(0, slash);
    const std::string_view name = rest.substr(slash + 1);
    const bool known = sts ? kind == "assumed-role" && name.find('/') != std::string_view::npos
                           : kind == "user" || kind == "role";
    return known && !name.ends_with('/') && !name.starts_with('/') &&
           consists_of(name, std::string(kNameLetters) + "/", kMost);
}

Result<std::string> arn_of(const UserAddArguments& arguments) {
    constexpr std::size_t kMostOfName = 64;
    if (!consists_of(arguments.name, kNameLetters, kMostOfName)) {
        return bad_argument("NAME: expected 1 to 64 letters, digits or +=,.@_-, found \"" +
                            arguments.name + "\"");
    }
    if (arguments.arn.empty() == arguments.account.empty()) {
        return bad_argument("expected --arn ARN or --account ACCOUNT");
    }
    if (!arguments.account.empty()) {
        if (!is_account(arguments.account)) {
            return bad_argument("--account: expected 12 digits, found \"" + arguments.account +
                                "\"");
        }
        return "arn:aws:iam::" + arguments.account + ":user/" + arguments.name;
    }
    if (!is_caller_arn(arguments.arn)) {
        return bad_argument(
            "--arn: expected arn:aws:iam::ACCOUNT:user/NAME, …:role/NAME, …:root or "
            "arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION with an account of 12 digits, found "
            "\"" +
            arguments.arn + "\"");
    }
    return arguments.arn;
}

// read_policy reads a caller's own policy; "" for none.
Result<std::string> read_policy(const std::string& file) {
    CASEMATE_TRY(const Bytes content, read_file(file, policy::kMaxPolicySize));
    const auto parsed = policy::Policy::parse(as_text(content), policy::Kind::identity_policy);
    if (!parsed) {
        return bad_argument(file + ": " + parsed.error().message());
    }
    return std::string(as_text(content));
}

Time now() {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

Result<User> find_user(Repository& repository, const std::string& name) {
    auto found = repository.user_named(name);
    if (!found && found.error().is(StoreErrc::not_found)) {
        return repository.user(name);
    }
    return found;
}

Result<User> make_user(const UserAddArguments& arguments, const service::Opened& opened,
                       const SecretBytes& secret) {
    User user;
    user.name = arguments.name;
    CASEMATE_TRY(user.arn, arn_of(arguments));
    user.access_key_id = new_access_key_id("AKIA");
    if (!arguments.policy.empty()) {
        CASEMATE_TRY(user.policy, read_policy(arguments.policy));
    } else if (!arguments.no_policy) {
        user.policy = kDefaultPolicy;
    }
    user.created = now();
    CASEMATE_TRY(user.wrapped_secret,
                 opened.vault.wrap(secret.view(), access_key_binding(user.access_key_id)));
    CASEMATE_CHECK(opened.repository->create_user(user));
    return user;
}

// terms_of says what a user's session is to be.
Result<SessionTerms> terms_of(const UserSessionArguments& arguments, const User& user) {
    SessionTerms terms;
    terms.access_key_id = user.access_key_id;
    terms.issued = std::chrono::floor<std::chrono::seconds>(now());
    terms.duration = std::chrono::seconds(arguments.duration);
    const bool is_role = policy::Caller::of(user.arn).kind == policy::Caller::Kind::role;
    if (is_role) {
        terms.name = arguments.session_name.empty() ? user.name : arguments.session_name;
        if (!is_session_name(terms.name)) {
            return bad_argument(
                "--session-name: expected 2 to 64 letters, digits or +=,.@_-, found \"" +
                terms.name + "\"");
        }
    } else if (!arguments.session_name.empty()) {
        return bad_argument("--session-name: expected a role, whose sessions have names, found " +
                            user.arn);
    }
    if (!arguments.policy.empty()) {
        CASEMATE_TRY(terms.policy, read_policy(arguments.policy));
        if (terms.policy.size() > kMaxSessionPolicy) {
            return bad_argument("--policy: expected at most " + std::to_string(kMaxSessionPolicy) +
                                " bytes, found " + std::to_string(terms.policy.size()));
        }
    }
    return terms;
}

// print_session writes credentials as they are asked for.
int print_session(const SessionCredentials& made, UserSessionArguments::Format format,
                  Console& console) {
    using Format = UserSessionArguments::Format;
    const bool env = format == Format::env;
    const auto name = [&](std::string_view in_json, std::string_view in_shell) {
        return env ? "export " + std::string(in_shell) + "="
                   : "\"" + std::string(in_json) + "\": \"";
    };
    const std::string_view end = env ? "\n" : "\", ";
    std::string text = env ? "" : "{";
    text += format == Format::process ? "\"Version\": 1, " : "";
    text += name("AccessKeyId", "AWS_ACCESS_KEY_ID") + made.access_key_id;
    text.append(end) += name("SecretAccessKey", "AWS_SECRET_ACCESS_KEY");
    http::append_secret(text, as_text(made.secret.view()));
    http::append_secret(text, end);
    http::append_secret(text, name("SessionToken", "AWS_SESSION_TOKEN"));
    http::append_secret(text, made.token);
    http::append_secret(text, end);
    http::append_secret(text, name("Expiration", "AWS_CREDENTIAL_EXPIRATION"));
    http::append_secret(text, codec::format_rfc3339(made.expires));
    http::append_secret(text, env ? "\n" : "\"}\n");
    const int written = console.text(text);
    http::forget(text);
    return written;
}

}  // namespace

int user_add(const UserAddArguments& arguments, Console& console) {
    // What is wrong with the arguments is told before anything is made.
    if (const auto arn = arn_of(arguments); !arn) {
        return fail(console, arn.error());
    }
    const auto opened = open_service(arguments.data);
    if (!opened) {
        return console.fail(opened.error());
    }
    constexpr std::size_t kSecretBytes = 30;
    std::string secret = codec::encode_base64(crypto::random_secret(kSecretBytes).view());
    const SecretBytes held(Bytes(secret.begin(), secret.end()));
    const auto user = make_user(arguments, *opened, held);
    if (!user) {
        http::forget(secret);
        if (user.error().is(StoreErrc::exists)) {
            return console.fail("expected a new name, found that \"" + arguments.name +
                                "\" has an access key already; take it away first (user remove)");
        }
        return fail(console, user.error());
    }
    console.say("access key of " + user->arn);
    if (arguments.policy.empty() && !arguments.no_policy) {
        console.say(
            "own policy: kms:* on * (--policy FILE or --no-policy for less); with it, the caller "
            "may use each key whose policy allows him, or his account");
    }
    std::string text = "{\"AccessKeyId\": \"" + user->access_key_id + "\", \"SecretAccessKey\": \"";
    http::append_secret(text, secret);
    http::append_secret(text, "\"}\n");
    const int written = console.text(text);
    http::forget(secret);
    http::forget(text);
    return written;
}

int user_list(const UserListArguments& arguments, Console& console) {
    const auto repository = open_store(arguments.data);
    if (!repository) {
        return console.fail(repository.error());
    }
    json::array list;
    std::string table;
    std::string after;
    while (true) {
        const auto page = (*repository)->user_page(after, kPage);
        if (!page) {
            return console.fail(page.error());
        }
        for (const User& user : page->items) {
            const std::string created = codec::format_rfc3339(user.created);
            list.push_back(json::object{{"Name", user.name},
                                        {"Arn", user.arn},
                                        {"AccessKeyId", user.access_key_id},
                                        {"Created", created},
                                        {"HasPolicy", !user.policy.empty()}});
            table += user.access_key_id + "  " + created + "  " +
                     (user.policy.empty() ? "no policy  " : "own policy ") + " " + user.name +
                     "  " + user.arn + "\n";
        }
        if (!page->next) {
            break;
        }
        after = *page->next;
    }
    return console.text(arguments.json ? json::serialize(list) + "\n" : table);
}

int user_remove(const UserRemoveArguments& arguments, Console& console) {
    const auto repository = open_store(arguments.data);
    if (!repository) {
        return console.fail(repository.error());
    }
    const auto user = find_user(**repository, arguments.name);
    if (!user) {
        return console.fail(user.error());
    }
    const auto removed = (*repository)->delete_user(user->access_key_id);
    if (!removed) {
        return console.fail(removed.error());
    }
    console.say("removed " + user->access_key_id + " of " + user->arn);
    return kDone;
}

int user_session(const UserSessionArguments& arguments, Console& console) {
    const auto opened = open_service(arguments.data);
    if (!opened) {
        return console.fail(opened.error());
    }
    const auto user = find_user(*opened->repository, arguments.name);
    if (!user) {
        return console.fail(user.error());
    }
    const auto terms = terms_of(arguments, *user);
    if (!terms) {
        return fail(console, terms.error());
    }
    const auto made = make_session(opened->vault, *terms);
    if (!made) {
        return console.fail(made.error());
    }
    return print_session(*made, arguments.format, console);
}

int user_policy(const UserPolicyArguments& arguments, Console& console) {
    const auto repository = open_store(arguments.data);
    if (!repository) {
        return console.fail(repository.error());
    }
    const auto user = find_user(**repository, arguments.name);
    if (!user) {
        return console.fail(user.error());
    }
    if (arguments.policy.empty() && !arguments.no_policy) {
        return user->policy.empty() ? (console.say("no policy of its own"), kDone)
                                    : console.text(user->policy + "\n");
    }
    Result<std::string> policy = std::string();
    if (!arguments.no_policy) {
        policy = read_policy(arguments.policy);
    }
    if (!policy) {
        return fail(console, policy.error());
    }
    const auto done = (*repository)->put_user_policy(user->access_key_id, *policy);
    return done ? kDone : console.fail(done.error());
}

}  // namespace casemate::kms::cli
