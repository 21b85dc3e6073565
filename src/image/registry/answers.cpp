#include "image/registry/answers.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>
#include <new>

#include "codec/base64.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxTokenSize = 64UL << 10U;
constexpr std::uint64_t kDefaultTokenSeconds = 60;
constexpr std::uint64_t kMaxTokenSeconds = 24UL * 3600;

// CleansingMemory: what a JSON value held does not stay in freed memory. Each block has its size in
// front, because Boost.JSON 1.81 does not always give back the numbers it asked with.
class CleansingMemory final : public json::memory_resource {
private:
    static constexpr std::size_t kHead = __STDCPP_DEFAULT_NEW_ALIGNMENT__;

    // JSON values need no stricter alignment than any object.
    void* do_allocate(std::size_t size, std::size_t /*alignment*/) override {
        auto* const block = static_cast<std::uint8_t*>(::operator new(kHead + size));
        std::memcpy(block, &size, sizeof(size));
        return block + kHead;
    }
    void do_deallocate(void* memory, std::size_t /*size*/, std::size_t /*alignment*/) override {
        auto* const block = static_cast<std::uint8_t*>(memory) - kHead;
        std::size_t size = 0;
        std::memcpy(&size, block, sizeof(size));
        cleanse({block + kHead, size});
        ::operator delete(block);
    }
    [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override {
        return this == &other;
    }
};

std::string_view view_of(const json::string& text) {
    return {text.data(), text.size()};
}

SecretBytes secret_of(std::string_view text) {
    const ByteView bytes = as_bytes(text);
    return SecretBytes(Bytes(bytes.begin(), bytes.end()));
}

// parse gives a JSON object whose memory cleanses itself.
Result<json::object> parse(ByteView text) {
    if (text.size() > kMaxAnswer) {
        return Error(ImageErrc::too_large, "expected a JSON text of at most " +
                                               std::to_string(kMaxAnswer) + " bytes, found " +
                                               std::to_string(text.size()));
    }
    json::parse_options options;
    options.max_depth = kMaxDepth;
    json::error_code error;
    const std::string_view view = as_text(text);
    json::value value = json::parse(json::string_view(view.data(), view.size()), error,
                                    json::make_shared_resource<CleansingMemory>(), options);
    if (error) {
        return Error(ImageErrc::malformed, "expected JSON, found " + error.message());
    }
    if (!value.is_object()) {
        return Error(ImageErrc::malformed, "expected a JSON object, found another value");
    }
    return std::move(value.get_object());
}

const json::value* member(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains({name.data(), name.size()});
    return value == nullptr || value->is_null() ? nullptr : value;
}

Error wrong_kind(const std::string& kind, std::string_view name) {
    return {ImageErrc::malformed,
            "expected " + kind + " as \"" + std::string(name) + "\", found another value"};
}

// text_of gives a text member, empty where it is absent.
Result<std::string_view> text_of(const json::object& object, std::string_view name) {
    const json::value* value = member(object, name);
    if (value == nullptr) {
        return std::string_view();
    }
    if (!value->is_string()) {
        return wrong_kind("a text", name);
    }
    return view_of(value->get_string());
}

// object_of gives a member that is an object, nullptr where it is absent.
Result<const json::object*> object_of(const json::object& object, std::string_view name) {
    const json::value* value = member(object, name);
    if (value == nullptr) {
        return nullptr;
    }
    if (!value->is_object()) {
        return wrong_kind("an object", name);
    }
    return &value->get_object();
}

// split_auth reads base64 of "user:password". Docker pads it with NULs in places.
Result<> split_auth(std::string_view encoded, Credentials& credentials) {
    auto decoded = codec::decode_base64(encoded);
    if (!decoded) {
        return Error(ImageErrc::malformed, "expected base64 as \"auth\", found other text");
    }
    const SecretBytes owned(std::move(*decoded));
    std::string_view text = as_text(owned.view());
    while (text.ends_with('\0')) {
        text.remove_suffix(1);
    }
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) {
        return Error(ImageErrc::malformed,
                     "expected a name, a colon and a password in \"auth\", found no colon");
    }
    credentials.user = text.substr(0, colon);
    credentials.password = secret_of(text.substr(colon + 1));
    return {};
}

Result<> check_user(const Credentials& credentials) {
    const auto bad = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (std::any_of(credentials.user.begin(), credentials.user.end(), bad)) {
        return Error(ImageErrc::malformed,
                     "expected a user's name without control characters, found one with them");
    }
    return {};
}

Result<Credentials> parse_entry(const json::object& object) {
    Credentials credentials;
    CASEMATE_TRY(const std::string_view auth, text_of(object, "auth"));
    CASEMATE_TRY(const std::string_view user, text_of(object, "username"));
    CASEMATE_TRY(const std::string_view password, text_of(object, "password"));
    CASEMATE_TRY(const std::string_view token, text_of(object, "identitytoken"));
    if (!auth.empty()) {
        CASEMATE_CHECK(split_auth(auth, credentials));
    } else {
        credentials.user = user;
        credentials.password = secret_of(password);
    }
    credentials.identity_token = secret_of(token);
    CASEMATE_CHECK(check_user(credentials));
    return credentials;
}

bool is_token_text(std::string_view text) {
    return !text.empty() && text.size() <= kMaxTokenSize &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool is_docker_hub(std::string_view host) {
    return host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io";
}

// to_url_alphabet makes base64 that of RFC 4648 5.
void to_url_alphabet(std::string& text) {
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
}

void append_json_text(Bytes& out, std::string_view text) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    for (const char c : text) {
        const auto byte = static_cast<std::uint8_t>(c);
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(byte);
        } else if (byte < 0x20) {
            for (const char escaped :
                 {'\\', 'u', '0', '0', kDigits[byte >> 4U], kDigits[byte & 15U]}) {
                out.push_back(static_cast<std::uint8_t>(escaped));
            }
        } else {
            out.push_back(byte);
        }
    }
}

}  // namespace

std::string credential_key(std::string_view text) {
    bool whole = true;
    for (const std::string_view scheme : {"https://", "http://"}) {
        if (text.starts_with(scheme)) {
            text.remove_prefix(scheme.size());
            whole = false;
        }
    }
    while (text.ends_with('/')) {
        text.remove_suffix(1);
    }
    const std::size_t slash = text.find('/');
    const std::string_view path = slash == std::string_view::npos ? "" : text.substr(slash);
    if (!whole || path == "/v1" || path == "/v2") {
        text = text.substr(0, slash);
    }
    const std::string_view host = text.substr(0, text.find('/'));
    if (is_docker_hub(host)) {
        return "docker.io" + std::string(text.substr(host.size()));
    }
    return std::string(text);
}

Result<AuthFile> parse_auth_file(ByteView text) {
    CASEMATE_TRY(const json::object object, parse(text));
    AuthFile file;
    CASEMATE_TRY(const json::object* auths, object_of(object, "auths"));
    if (auths != nullptr) {
        for (const auto& [name, value] : *auths) {
            if (!value.is_object()) {
                return wrong_kind("objects", "auths");
            }
            CASEMATE_TRY(Credentials entry, parse_entry(value.get_object()));
            if (!entry.user.empty() || !entry.identity_token.empty()) {
                file.entries.try_emplace(credential_key({name.data(), name.size()}),
                                         std::move(entry));
            }
        }
    }
    CASEMATE_TRY(const json::object* helpers, object_of(object, "credHelpers"));
    if (helpers != nullptr) {
        for (const auto& [name, value] : *helpers) {
            if (!value.is_string()) {
                return wrong_kind("texts", "credHelpers");
            }
            file.helpers.try_emplace(credential_key({name.data(), name.size()}),
                                     view_of(value.get_string()));
        }
    }
    CASEMATE_TRY(file.store, text_of(object, "credsStore"));
    return file;
}

Result<Credentials> parse_helper_answer(ByteView text) {
    CASEMATE_TRY(const json::object object, parse(text));
    CASEMATE_TRY(const std::string_view user, text_of(object, "Username"));
    CASEMATE_TRY(const std::string_view secret, text_of(object, "Secret"));
    if (secret.empty()) {
        return Error(ImageErrc::malformed, "expected a \"Secret\", found none");
    }
    Credentials credentials;
    credentials.user = user;
    (user == "<token>" ? credentials.identity_token : credentials.password) = secret_of(secret);
    CASEMATE_CHECK(check_user(credentials));
    return credentials;
}

Result<Token> parse_token(ByteView text) {
    CASEMATE_TRY(const json::object object, parse(text));
    CASEMATE_TRY(std::string_view token, text_of(object, "token"));
    if (token.empty()) {
        CASEMATE_TRY(token, text_of(object, "access_token"));
    }
    if (!is_token_text(token)) {
        return Error(ImageErrc::malformed,
                     "expected a \"token\" of at most 64 KiB of printable characters, found " +
                         std::string(token.empty() ? "none" : "another"));
    }
    Token result;
    result.text = secret_of(token);
    result.seconds = kDefaultTokenSeconds;
    if (const json::value* expires = member(object, "expires_in"); expires != nullptr) {
        json::error_code error;
        const auto seconds = expires->to_number<std::uint64_t>(error);
        if (error) {
            return wrong_kind("a number of seconds", "expires_in");
        }
        result.seconds = std::min(seconds, kMaxTokenSeconds);
    }
    return result;
}

std::string error_text(ByteView text) {
    const auto object = parse(text);
    const json::value* errors = object ? member(*object, "errors") : nullptr;
    if (errors == nullptr || !errors->is_array() || errors->get_array().empty() ||
        !errors->get_array().front().is_object()) {
        return "";
    }
    const json::object& first = errors->get_array().front().get_object();
    const auto code = text_of(first, "code");
    const auto message = text_of(first, "message");
    if (!code || !message) {
        return "";
    }
    const bool both = !code->empty() && !message->empty();
    return printable(std::string(*code) + (both ? ": " : "") + std::string(*message));
}

std::string declared_media_type(ByteView text) {
    const auto object = parse(text);
    if (!object) {
        return "";
    }
    const json::value* version = member(*object, "schemaVersion");
    if (version != nullptr && version->is_int64() && version->get_int64() == 1) {
        return "1";
    }
    const auto type = text_of(*object, "mediaType");
    return type ? std::string(*type) : "";
}

SecretBytes registry_auth(const Credentials& credentials, const std::string& registry) {
    Bytes text;
    const auto append = [&](std::string_view name, std::string_view value) {
        // Room first, so that nothing secret is left where the bytes were before.
        text.reserve(text.size() + name.size() + 6 * value.size() + 16);
        const ByteView before = as_bytes(text.empty() ? "{\"" : ",\"");
        text.insert(text.end(), before.begin(), before.end());
        append_json_text(text, name);
        const ByteView between = as_bytes("\":\"");
        text.insert(text.end(), between.begin(), between.end());
        append_json_text(text, value);
        text.push_back('"');
    };
    text.reserve(6 * (credentials.user.size() + credentials.password.size() +
                      credentials.identity_token.size() + registry.size()) +
                 256);
    if (!credentials.identity_token.empty()) {
        append("identitytoken", as_text(credentials.identity_token.view()));
    } else {
        append("username", credentials.user);
        append("password", as_text(credentials.password.view()));
    }
    append("serveraddress", registry == "docker.io" ? "https://index.docker.io/v1/" : registry);
    text.push_back('}');
    const SecretBytes owned(std::move(text));
    std::string encoded = codec::encode_base64(owned.view());
    to_url_alphabet(encoded);
    SecretBytes result = secret_of(encoded);
    cleanse({reinterpret_cast<std::uint8_t*>(encoded.data()), encoded.size()});
    return result;
}

}  // namespace casemate::image
