#include "image/registry/access.hpp"

#include <algorithm>

#include "codec/base64.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

void append(Bytes& out, std::string_view text) {
    const ByteView bytes = as_bytes(text);
    out.insert(out.end(), bytes.begin(), bytes.end());
}

// basic_value makes the Authorization of RFC 7617.
SecretBytes basic_value(const Credentials& credentials) {
    Bytes pair;
    pair.reserve(credentials.user.size() + 1 + credentials.password.size());
    append(pair, credentials.user + ":");
    append(pair, as_text(credentials.password.view()));
    const SecretBytes owned(std::move(pair));
    std::string encoded = codec::encode_base64(owned.view());
    Bytes value;
    value.reserve(encoded.size() + 6);
    append(value, "Basic ");
    append(value, encoded);
    cleanse({reinterpret_cast<std::uint8_t*>(encoded.data()), encoded.size()});
    return SecretBytes(std::move(value));
}

SecretBytes refresh_body(const std::string& parameters, const Credentials& credentials) {
    std::string token = http::escape_query(as_text(credentials.identity_token.view()));
    Bytes body;
    body.reserve(parameters.size() + token.size() + 64);
    append(body, "grant_type=refresh_token&client_id=casemate&" + parameters + "&refresh_token=");
    append(body, token);
    cleanse({reinterpret_cast<std::uint8_t*>(token.data()), token.size()});
    return SecretBytes(std::move(body));
}

// challenges_of gives those of all WWW-Authenticate headers that can be read.
std::vector<Challenge> challenges_of(const http::Response& response) {
    std::vector<Challenge> all;
    for (const auto& [name, value] : response.headers) {
        // find_header compares names without regard to case.
        if (http::find_header({{name, value}}, "WWW-Authenticate") != nullptr) {
            auto some = parse_challenges(value);
            if (some) {
                all.insert(all.end(), some->begin(), some->end());
            }
        }
    }
    return all;
}

const Challenge* find_scheme(const std::vector<Challenge>& challenges, std::string_view scheme) {
    const auto found = std::find_if(challenges.begin(), challenges.end(),
                                    [&](const Challenge& one) { return one.scheme == scheme; });
    return found == challenges.end() ? nullptr : &*found;
}

std::string said(const http::Response& response) {
    const std::string text = error_text(as_bytes(response.body));
    return "status " + std::to_string(response.status) + (text.empty() ? "" : " (" + text + ")");
}

}  // namespace

Error Access::refusal(const http::Response& response) const {
    const std::string found = said(response);
    if (credentials_) {
        return {ImageErrc::unauthorized,
                "expected " + registry_ + " to let '" + printable(credentials_->user) + "' read " +
                    name_ + ", found " + found +
                    "; check the image's name, and log in again with `podman login` or `docker "
                    "login` if the password has changed"};
    }
    return {ImageErrc::unauthorized,
            "expected " + registry_ + " to let everybody read " + name_ + ", found " + found +
                "; check the image's name, and log in with `podman login " + registry_ +
                "` or `docker login " + registry_ +
                "`, or put credentials into ~/.docker/config.json"};
}

Result<Authorization> Access::authorization() {
    const std::lock_guard lock(mutex_);
    if (bearer_ && Clock::now() >= expiry_) {
        CASEMATE_CHECK(renew_token());
    }
    return current_;
}

Result<> Access::answer(const http::Response& response, const Authorization& used) {
    const std::lock_guard lock(mutex_);
    if (used.generation != current_.generation) {
        // Another thread was faster.
        return {};
    }
    const std::vector<Challenge> challenges = challenges_of(response);
    if (const Challenge* bearer = find_scheme(challenges, "bearer"); bearer != nullptr) {
        bearer_ = *bearer;
        return renew_token();
    }
    if (find_scheme(challenges, "basic") == nullptr) {
        return Error(ImageErrc::registry,
                     "expected " + registry_ +
                         " to ask for a bearer token or a password (WWW-Authenticate), found "
                         "neither beside " +
                         said(response));
    }
    if (!credentials_ || credentials_->password.empty() || current_.value != nullptr) {
        return refusal(response);
    }
    set(basic_value(*credentials_));
    return {};
}

Result<Call> Access::token_call(SecretBytes& secret) const {
    const std::string* realm = bearer_->find("realm");
    const std::string* service = bearer_->find("service");
    if (realm == nullptr) {
        return Error(ImageErrc::registry,
                     "expected the realm of a token server from " + registry_ + ", found none");
    }
    Call call;
    CASEMATE_TRY(call.url, http::Url::parse(*realm));
    if (base_.secure && !call.url.secure) {
        return Error(ImageErrc::registry, "expected " + registry_ +
                                              " to name a token server with https, found " +
                                              printable(*realm));
    }
    const std::string parameters =
        (service == nullptr ? "" : "service=" + http::escape_query(*service) + "&") +
        "scope=" + http::escape_query(scope_);
    if (credentials_ && !credentials_->identity_token.empty()) {
        secret = refresh_body(parameters, *credentials_);
        call.method = "POST";
        call.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
        call.body = secret.view();
        return call;
    }
    call.url.target += (call.url.target.find('?') == std::string::npos ? "?" : "&") + parameters;
    if (credentials_) {
        secret = basic_value(*credentials_);
        call.authorization = secret.view();
    }
    return call;
}

Result<> Access::renew_token() {
    SecretBytes secret;
    CASEMATE_TRY(const Call call, token_call(secret));
    Bytes answer;
    answer.reserve(kMaxAnswer);
    const auto sink = [&](ByteView bytes) -> Result<> {
        if (bytes.size() > kMaxAnswer - answer.size()) {
            return Error(ImageErrc::registry, "expected a token of " + call.url.origin() +
                                                  " in at most 1 MiB, found more");
        }
        answer.insert(answer.end(), bytes.begin(), bytes.end());
        return {};
    };
    auto response = caller_.call(call, sink);
    const SecretBytes text(std::move(answer));
    if (!response) {
        return std::move(response).error().while_doing("ask " + call.url.origin() + " for a token");
    }
    if (response->status == 400 || response->status == 401 || response->status == 403) {
        return refusal(*response);
    }
    if (response->status != 200) {
        return Error(ImageErrc::registry,
                     "expected a token from " + call.url.origin() + ", found " + said(*response));
    }
    auto token = parse_token(text.view());
    if (!token) {
        return std::move(token).error().while_doing("read the token of " + call.url.origin());
    }
    Bytes value;
    value.reserve(token->text.size() + 7);
    append(value, "Bearer ");
    append(value, as_text(token->text.view()));
    set(SecretBytes(std::move(value)));
    expiry_ = Clock::now() + std::chrono::seconds(token->seconds);
    return {};
}

void Access::set(SecretBytes value) {
    current_.value = std::make_shared<const SecretBytes>(std::move(value));
    ++current_.generation;
}

}  // namespace casemate::image
