#include "cli/aws_credentials.hpp"

#include <cerrno>
#include <map>
#include <optional>

#include "base/environment.hpp"
#include "base/file.hpp"
#include "base/os_error.hpp"
#include "http/client.hpp"
#include "http/connect.hpp"
#include "kms_client/json.hpp"

namespace casemate::cli {

namespace {

constexpr std::uint64_t kMaxFile = 1ULL << 20U;
// AWS's own addresses for the containers and instances that ask (link-local).
constexpr std::string_view kContainerService = "http://169.254.170.2";
constexpr std::string_view kInstanceService = "http://169.254.169.254";
constexpr std::string_view kRoles = "/latest/meta-data/iam/security-credentials/";
// Off AWS nobody is there, and nothing should have to wait long to learn that.
constexpr std::chrono::milliseconds kMetadataTime{1000};

using Profile = std::map<std::string, std::string>;

Error bad_setting(std::string sentence) {
    return {AwsErrc::bad_setting, std::move(sentence)};
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r";
    const std::size_t first = text.find_first_not_of(kSpace);
    return first == text.npos ? std::string_view()
                              : text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

SecretBytes secret(std::string_view text) {
    const ByteView bytes = as_bytes(text);
    return SecretBytes(Bytes(bytes.begin(), bytes.end()));
}

sigv4::Credential credential(std::string_view id, std::string_view key, std::string_view token) {
    return {std::string(id), secret(key), secret(token)};
}

// section_name is the profile that a line "[...]" begins.
std::string section_name(std::string_view line, bool config_file) {
    std::string_view name =
        line.substr(1, line.find(']') == line.npos ? line.npos : line.find(']') - 1);
    name = trimmed(name);
    constexpr std::string_view kPrefix = "profile ";
    if (config_file && name.starts_with(kPrefix)) {
        return std::string(trimmed(name.substr(kPrefix.size())));
    }
    // In the config file only the default profile may do without the word.
    return config_file && name != "default" ? "" : std::string(name);
}

// add_profile adds what a file of AWS's shared format says of a profile; nothing where there is no
// file.
Result<> add_profile(const std::string& path, bool config_file, const std::string& wanted,
                     Profile& out) {
    const auto bytes = read_file(path, kMaxFile);
    if (!bytes) {
        if (bytes.error().is(static_cast<Errno>(ENOENT)) ||
            bytes.error().is(static_cast<Errno>(ENOTDIR))) {
            return {};
        }
        return bad_setting(bytes.error().message());
    }
    std::string_view rest = as_text(*bytes);
    std::string section;
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        const std::string_view raw = rest.substr(0, end);
        rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
        const std::string_view line = trimmed(raw);
        if (line.empty() || line.front() == '#' || line.front() == ';') {
            continue;
        }
        if (line.front() == '[') {
            section = section_name(line, config_file);
            continue;
        }
        // Lines that begin with space belong to the setting before, of which none is used here.
        const std::size_t equals = line.find('=');
        if (section == wanted && equals != line.npos && raw.front() != ' ' && raw.front() != '\t') {
            out.emplace(trimmed(line.substr(0, equals)), trimmed(line.substr(equals + 1)));
        }
    }
    return {};
}

std::string file_named(const char* variable, const char* in_home) {
    const std::string named = environment(variable);
    return named.empty() ? environment("HOME") + in_home : named;
}

using Found = Result<std::optional<sigv4::Credential>>;

Found in_environment() {
    const std::string id = environment("AWS_ACCESS_KEY_ID");
    const std::string key = environment("AWS_SECRET_ACCESS_KEY");
    if (id.empty() && key.empty()) {
        return std::optional<sigv4::Credential>();
    }
    if (id.empty() || key.empty()) {
        return bad_setting(
            "expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, found only one of them");
    }
    return std::optional(credential(id, key, environment("AWS_SESSION_TOKEN")));
}

Found in_files() {
    const std::string asked = environment("AWS_PROFILE");
    const std::string wanted = asked.empty() ? "default" : asked;
    Profile profile;
    // What stands in both files counts as the first says.
    CASEMATE_CHECK(add_profile(file_named("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials"),
                               false, wanted, profile));
    CASEMATE_CHECK(
        add_profile(file_named("AWS_CONFIG_FILE", "/.aws/config"), true, wanted, profile));
    const auto id = profile.find("aws_access_key_id");
    const auto key = profile.find("aws_secret_access_key");
    if (id != profile.end() && key != profile.end()) {
        const auto token = profile.find("aws_session_token");
        return std::optional(credential(
            id->second, key->second,
            token == profile.end() ? std::string_view() : std::string_view(token->second)));
    }
    for (const char* other : {"credential_process", "role_arn", "web_identity_token_file",
                              "sso_session", "sso_start_url"}) {
        if (profile.contains(other)) {
            return bad_setting(
                "expected aws_access_key_id and aws_secret_access_key in AWS's "
                "profile \"" +
                wanted + "\", found " + other +
                ", which this version does not follow; `aws configure "
                "export-credentials --format env` gives what it stands for");
        }
    }
    if (!asked.empty()) {
        return bad_setting("expected AWS's profile \"" + asked +
                           "\" (AWS_PROFILE) with aws_access_key_id and aws_secret_access_key, "
                           "found none");
    }
    return std::optional<sigv4::Credential>();
}

// parse_url names the error as a setting's.
Result<http::Url> parse_url(std::string_view text) {
    auto url = http::Url::parse(text);
    if (!url) {
        return bad_setting("expected https://HOST[:PORT]: " + url.error().detail());
    }
    return url;
}

// MetadataService: one of the services that hand out credentials without TLS, on the machine or
// link-local.
class MetadataService {
public:
    explicit MetadataService(http::Url url) : url_(std::move(url)) {}

    Result<http::Response> ask(const std::string& method, const std::string& path,
                               http::Headers headers) const {
        CASEMATE_TRY(UniqueFd socket, http::connect_host(url_.host, url_.port, kMetadataTime));
        http::ClientLimits limits;
        limits.exchange = kMetadataTime * 5;
        limits.body_bytes = kMaxFile;
        CASEMATE_TRY(http::Connection connection,
                     http::Connection::over(std::move(socket), std::nullopt, limits));
        headers.insert(headers.begin(), {"Host", url_.host_field()});
        CASEMATE_TRY(http::Response response,
                     connection.exchange({method, path, std::move(headers), {}, {}}));
        if (response.status != 200) {
            return Error(AwsErrc::refused, "expected credentials of " + url_.origin() + path +
                                               ", found HTTP status " +
                                               std::to_string(response.status));
        }
        return response;
    }

    Found credential_at(const std::string& path, http::Headers headers) const {
        CASEMATE_TRY(http::Response response, ask("GET", path, std::move(headers)));
        CASEMATE_TRY(const kms_client::Fields fields, kms_client::Fields::parse(response.body));
        const auto id = fields.text("AccessKeyId");
        const auto key = fields.text("SecretAccessKey");
        if (!id || !key) {
            return Error(AwsErrc::refused, "expected AccessKeyId and SecretAccessKey of " +
                                               url_.origin() + path + ", found neither");
        }
        return std::optional(credential(*id, *key, fields.text("Token").value_or("")));
    }

private:
    http::Url url_;
};

bool is_local(const std::string& host) {
    return http::is_loopback(host) || host == "169.254.170.2" || host == "169.254.170.23" ||
           host == "fd00:ec2::23";
}

Found of_container() {
    const std::string relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const std::string full = relative.empty() ? environment("AWS_CONTAINER_CREDENTIALS_FULL_URI")
                                              : std::string(kContainerService) + relative;
    if (full.empty()) {
        return std::optional<sigv4::Credential>();
    }
    CASEMATE_TRY(http::Url url, parse_url(full));
    if (url.secure || !is_local(url.host)) {
        return bad_setting(
            "expected http:// and an address of this machine or of AWS's container services in "
            "AWS_CONTAINER_CREDENTIALS_FULL_URI, found " +
            full);
    }
    std::string token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    const std::string file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    if (!file.empty()) {
        CASEMATE_TRY(const Bytes bytes, read_file(file, kMaxFile));
        token = trimmed(as_text(bytes).substr(0, as_text(bytes).find('\n')));
    }
    http::Headers headers;
    if (!token.empty()) {
        headers.emplace_back("Authorization", token);
    }
    const std::string path = url.target;
    return MetadataService(std::move(url)).credential_at(path, std::move(headers));
}

Found of_instance() {
    if (environment("AWS_EC2_METADATA_DISABLED") == "true") {
        return std::optional<sigv4::Credential>();
    }
    const std::string named = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    CASEMATE_TRY(http::Url url,
                 parse_endpoint(named.empty() ? kInstanceService : std::string_view(named)));
    if (url.secure) {
        return bad_setting("expected http:// in AWS_EC2_METADATA_SERVICE_ENDPOINT, found " + named);
    }
    const MetadataService service(std::move(url));
    const auto token =
        service.ask("PUT", "/latest/api/token", {{"X-aws-ec2-metadata-token-ttl-seconds", "300"}});
    if (!token) {
        // Not an instance.
        return std::optional<sigv4::Credential>();
    }
    const http::Headers headers{{"X-aws-ec2-metadata-token", token->body}};
    CASEMATE_TRY(const http::Response roles, service.ask("GET", std::string(kRoles), headers));
    const std::string role(trimmed(roles.body.substr(0, roles.body.find('\n'))));
    return service.credential_at(std::string(kRoles) + role, headers);
}

}  // namespace

std::string_view describe(AwsErrc code) {
    switch (code) {
        case AwsErrc::bad_setting:
            return "AWS setting";
        case AwsErrc::no_credentials:
            return "no AWS credentials";
        case AwsErrc::refused:
            return "refused";
        case AwsErrc::not_reached:
            return "not reached";
    }
    return "unknown";
}

Result<http::Url> parse_endpoint(std::string_view text) {
    CASEMATE_TRY(http::Url url, parse_url(text));
    if (url.target != "/") {
        return bad_setting("expected https://HOST[:PORT] without a path, found " + url.text());
    }
    return url;
}

Result<sigv4::Credential> find_credentials() {
    for (const auto& find : {in_environment, in_files, of_container, of_instance}) {
        CASEMATE_TRY(auto found, find());
        if (found) {
            return *std::move(found);
        }
    }
    return Error(AwsErrc::no_credentials,
                 "expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile in "
                 "~/.aws/credentials, or the role of a container or an instance; found none");
}

}  // namespace casemate::cli
