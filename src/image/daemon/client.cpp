#include "image/daemon/client.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>
#include <map>

#include "base/os_error.hpp"
#include "base/secret.hpp"
#include "base/socket.hpp"
#include "http/connect.hpp"
#include "image/daemon/messages.hpp"
#include "image/registry/credentials.hpp"
#include "image/registry/registry_reference.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

namespace json = boost::json;

using std::chrono::milliseconds;

constexpr milliseconds kConnectTime{10000};
constexpr std::size_t kMaxInspection = std::size_t{4} << 20U;
constexpr std::size_t kMaxDepth = 32;

http::ClientLimits limits() {
    http::ClientLimits made;
    // A daemon packs a whole image, or waits for a registry or a build's step, without a word.
    made.idle = std::chrono::hours(6);
    made.body_bytes = kMaxInspection;
    return made;
}

Result<json::object> parse_object(std::string_view text) {
    json::parse_options options;
    options.max_depth = kMaxDepth;
    json::error_code code;
    json::value value = json::parse({text.data(), text.size()}, code, {}, options);
    if (code || !value.is_object()) {
        return Error(ImageErrc::malformed, "expected a JSON object as a daemon's answer, found " +
                                               (code ? code.message() : "another value"));
    }
    return std::move(value.get_object());
}

std::string text_of(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains({name.data(), name.size()});
    return value != nullptr && value->is_string()
               ? std::string(value->get_string().data(), value->get_string().size())
               : "";
}

// refusal is the error for a status that is no success.
Error refusal(const http::Response& response) {
    const auto object = parse_object(response.body);
    std::string why = object ? shown(text_of(*object, "message")) : "";
    if (why.empty()) {
        why = "an answer of HTTP status " + std::to_string(response.status);
    }
    return {ImageErrc::daemon, std::move(why)};
}

// query_value encodes what a query's value can't have as it is (RFC 3986 3.4).
std::string query_value(std::string_view text) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/:";
    std::string encoded;
    for (const char c : text) {
        if (kPlain.find(c) != std::string_view::npos) {
            encoded += c;
        } else {
            const auto byte = static_cast<std::uint8_t>(c);
            encoded += "%" + to_hex(ByteView(&byte, 1));
        }
    }
    return encoded;
}

std::string platform_query(const std::string& platform) {
    return platform.empty() ? "" : "&platform=" + query_value(platform);
}

// Shower says what messages say: outputs line by line, states that don't move, and how much of all
// parts is done. The first error is kept.
class Shower {
public:
    Shower(const Progress& progress, const DaemonClient::Say& say)
        : progress_(&progress), say_(&say) {}

    Result<> take(const DaemonMessage& message) {
        if (!message.error.empty()) {
            return Error(ImageErrc::daemon, shown(message.error));
        }
        if (!message.stream.empty()) {
            put(message.stream);
        } else if (!message.id.empty() && message.total != 0) {
            advance(message);
        } else if (!message.status.empty() && message.id.empty()) {
            say(message.status);
        }
        return {};
    }

    // flush says what has no end of line.
    void flush() { put("\n"); }

private:
    // kMaxLine: a line that is longer comes as several; kMaxParts: what more say is not counted.
    static constexpr std::size_t kMaxLine = 4096;
    static constexpr std::size_t kMaxParts = 4096;

    void put(std::string_view text) {
        for (const char c : text) {
            if (c == '\n' || c == '\r' || line_.size() == kMaxLine) {
                if (!line_.empty()) {
                    say(line_);
                }
                line_.clear();
            }
            if (c != '\n' && c != '\r') {
                line_ += c;
            }
        }
    }

    void say(std::string_view line) const {
        if (const std::string clean = shown(line); *say_ && !clean.empty()) {
            (*say_)(clean);
        }
    }

    void advance(const DaemonMessage& message) {
        if (!*progress_ || (parts_.size() >= kMaxParts && !parts_.contains(message.id))) {
            return;
        }
        parts_[message.id] = {std::min(message.current, message.total), message.total};
        std::uint64_t done = 0;
        std::uint64_t total = 0;
        for (const auto& [id, part] : parts_) {
            const auto more = checked_add(total, part.second);
            if (!more) {
                return;
            }
            done += part.first;
            total = *more;
        }
        (*progress_)("pulling", done, total);
    }

    const Progress* progress_;
    const DaemonClient::Say* say_;
    std::string line_;
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> parts_;
};

}  // namespace

Result<Inspection> parse_inspection(std::string_view text) {
    CASEMATE_TRY(const json::object object, parse_object(text));
    Inspection found;
    found.id = text_of(object, "Id");
    found.architecture = text_of(object, "Architecture");
    found.operating_system = text_of(object, "Os");
    constexpr std::string_view kPrefix = "sha256:";
    const bool is_digest =
        found.id.starts_with(kPrefix) && found.id.size() == kPrefix.size() + 64 &&
        found.id.find_first_not_of("0123456789abcdef", kPrefix.size()) == std::string::npos;
    if (!is_digest) {
        return Error(ImageErrc::malformed,
                     "expected sha256: and 64 digits as a daemon's Id of an image, found '" +
                         printable(found.id) + "'");
    }
    if (const json::value* size = object.if_contains("Size");
        size != nullptr && size->is_int64() && size->get_int64() > 0) {
        found.size = static_cast<std::uint64_t>(size->get_int64());
    }
    found.json = text;
    return found;
}

Result<DaemonClient> DaemonClient::open(DaemonEndpoint endpoint) {
    DaemonClient client(std::move(endpoint));
    CASEMATE_TRY(const http::Response response, client.get("/_ping"));
    if (response.status != 200 || response.body != "OK") {
        return Error(
            ImageErrc::daemon,
            client.where() + ": expected a Docker daemon's OK, found " +
                (response.status == 200 ? "another answer"
                                        : "HTTP status " + std::to_string(response.status)));
    }
    return client;
}

Result<http::Connection> DaemonClient::connect() const {
    UniqueFd socket;
    if (!endpoint_.path.empty()) {
        auto connected = try_connect_unix(endpoint_.path, SOCK_STREAM | SOCK_NONBLOCK);
        if (!connected) {
            // The path is known to whoever reads the sentence.
            const auto code = connected.error().code_as<Errno>();
            return Error(ImageErrc::daemon,
                         code ? std::string(describe(*code)) : connected.error().message());
        }
        socket = std::move(*connected);
    } else {
        CASEMATE_TRY(socket, http::connect_host(endpoint_.host, endpoint_.port, kConnectTime));
    }
    std::optional<http::TlsClient> tls;
    if (endpoint_.tls) {
        tls.emplace(http::TlsClient{*endpoint_.tls, endpoint_.host});
    }
    return http::Connection::over(std::move(socket), std::move(tls), limits());
}

http::Request DaemonClient::request(std::string method, std::string target) const {
    http::Request made;
    made.method = std::move(method);
    made.target = std::move(target);
    const bool is_address = endpoint_.host.find(':') != std::string::npos;
    made.headers.emplace_back(
        "Host", !endpoint_.path.empty()
                    ? "docker"
                    : (is_address ? "[" + endpoint_.host + "]" : endpoint_.host) + ":" +
                          std::to_string(endpoint_.port));
    return made;
}

Result<http::Response> DaemonClient::get(const std::string& target) const {
    auto connection = connect();
    auto response = connection ? connection->exchange(request("GET", target))
                               : Result<http::Response>(std::move(connection).error());
    if (!response) {
        return std::move(response).error().while_doing(where());
    }
    return response;
}

Result<std::optional<Inspection>> DaemonClient::inspect(const std::string& name) const {
    CASEMATE_TRY(const http::Response response, get("/images/" + name + "/json"));
    if (response.status == 404) {
        return std::optional<Inspection>();
    }
    if (response.status != 200) {
        return refusal(response).while_doing(where());
    }
    auto parsed = parse_inspection(response.body);
    if (!parsed) {
        return std::move(parsed).error().while_doing(where());
    }
    return std::optional(std::move(*parsed));
}

Result<> DaemonClient::work(const http::Request& request, http::BodySource* upload,
                            const Progress& progress, const Say& say) const {
    CASEMATE_TRY(http::Connection connection, connect());
    Shower shower(progress, say);
    DaemonMessages messages([&](const DaemonMessage& message) { return shower.take(message); });
    auto response =
        connection.stream(request, upload, [&](ByteView bytes) { return messages.put(bytes); });
    shower.flush();
    if (!response) {
        return std::move(response).error();
    }
    if (response->status / 100 != 2) {
        return refusal(*response);
    }
    return messages.finish();
}

Result<> DaemonClient::pull(const std::string& name, const std::string& platform,
                            const Progress& progress, const Say& say) const {
    CASEMATE_TRY(const RegistryReference reference, RegistryReference::parse(name));
    CASEMATE_TRY(const auto credentials, credentials_for(reference.name()));
    // A daemon would pull every tag of a name without one; the digest goes where a tag does.
    const std::size_t at = name.find('@');
    const std::size_t colon = at != std::string::npos ? at : name.rfind(':');
    http::Request made = request(
        "POST", "/images/create?fromImage=" + query_value(name.substr(0, colon)) +
                    "&tag=" + query_value(name.substr(colon + 1)) + platform_query(platform));
    if (credentials) {
        const SecretBytes secret = registry_auth(*credentials, reference.registry);
        made.headers.emplace_back("X-Registry-Auth", as_text(secret.view()));
    }
    auto pulled = work(made, nullptr, progress, say);
    std::string& last = made.headers.back().second;
    cleanse({reinterpret_cast<std::uint8_t*>(last.data()), last.size()});
    if (!pulled) {
        return std::move(pulled).error().while_doing("pull " + name + " with " + where());
    }
    return {};
}

Result<Content> DaemonClient::export_image(const Inspection& image, Spool& spool,
                                           std::uint64_t limit, const Progress& progress) const {
    CASEMATE_TRY(http::Connection connection, connect());
    const std::uint64_t start = spool.position();
    const auto sink = [&](ByteView bytes) -> Result<> {
        if (spool.position() - start + bytes.size() > limit) {
            return Error(ImageErrc::too_large, "expected an archive of at most " +
                                                   std::to_string(limit) + " bytes, found more");
        }
        while (!bytes.empty()) {
            CASEMATE_TRY(const MutableBytes room, spool.room());
            const std::size_t size = std::min(room.size(), bytes.size());
            std::memcpy(room.data(), bytes.data(), size);
            spool.filled(size);
            bytes = bytes.subspan(size);
        }
        const std::uint64_t done = spool.position() - start;
        if (progress) {
            progress("export", done, std::max(done, image.size));
        }
        return {};
    };
    auto response =
        connection.stream(request("GET", "/images/" + image.id + "/get"), nullptr, sink);
    if (!response) {
        return std::move(response).error().while_doing("export " + image.id + " from " + where());
    }
    if (response->status != 200) {
        return refusal(*response).while_doing("export " + image.id + " from " + where());
    }
    CASEMATE_CHECK(spool.flush());
    return spool.content_from(start);
}

Result<> DaemonClient::build(http::BodySource context, const std::string& name,
                             const std::string& platform, const Say& say) const {
    http::Request made = request(
        "POST", "/build?t=" + query_value(name) + "&rm=1&forcerm=1" + platform_query(platform));
    made.headers.emplace_back("Content-Type", "application/x-tar");
    auto built = work(made, &context, Progress(), say);
    if (!built) {
        return std::move(built).error().while_doing("build " + name + " with " + where());
    }
    return {};
}

}  // namespace casemate::image
