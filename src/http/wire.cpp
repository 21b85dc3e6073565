#include "http/wire.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <utility>

#include "base/bytes.hpp"
#include "base/secret.hpp"

namespace casemate::http {

namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20U && c != '\t') || byte == 0x7fU;
}

bool is_space(char c) {
    return c == ' ' || c == '\t';
}

bool is_token_char(char c) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos;
}

// is_origin_form: an absolute path with a query at most (RFC 9112 3.2.1), of visible ASCII.
bool is_origin_form(std::string_view target) {
    return !target.empty() && target.front() == '/' &&
           std::all_of(target.begin(), target.end(),
                       [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
}

std::string_view trim(std::string_view text) {
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
    while (!text.empty() && is_space(text.back())) {
        text.remove_suffix(1);
    }
    return text;
}

// lists tells whether a comma-separated list has the token.
bool lists(std::string_view list, std::string_view token) {
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        if (equal_ignoring_case(trim(list.substr(0, comma)), token)) {
            return true;
        }
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return false;
}

bool is_number(std::string_view text) {
    return !text.empty() && text.size() <= 19 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// FramingFields: the fields that decide where a request ends and what comes after it.
struct FramingFields {
    const std::string* length = nullptr;
    const std::string* coding = nullptr;
    const std::string* host = nullptr;
    const std::string* expect = nullptr;
    bool twice = false;
    bool close = false;
    bool keep_alive = false;
};

FramingFields fields_of(const Headers& headers) {
    FramingFields fields;
    const auto single = [&](const std::string*& field, const std::string& value) {
        fields.twice = fields.twice || field != nullptr;
        field = &value;
    };
    for (const auto& [name, value] : headers) {
        if (equal_ignoring_case(name, "content-length")) {
            single(fields.length, value);
        } else if (equal_ignoring_case(name, "transfer-encoding")) {
            single(fields.coding, value);
        } else if (equal_ignoring_case(name, "host")) {
            single(fields.host, value);
        } else if (equal_ignoring_case(name, "expect")) {
            single(fields.expect, value);
        } else if (equal_ignoring_case(name, "connection")) {
            fields.close = fields.close || lists(value, "close");
            fields.keep_alive = fields.keep_alive || lists(value, "keep-alive");
        }
    }
    return fields;
}

// length_fault: what is ambiguous about a request's length (RFC 9112 6.3).
std::string_view length_fault(const FramingFields& fields, int minor) {
    if (fields.length != nullptr && fields.coding != nullptr) {
        return "Content-Length together with Transfer-Encoding";
    }
    if (fields.length != nullptr && !is_number(*fields.length)) {
        return "Content-Length is no number";
    }
    if (fields.coding != nullptr &&
        (minor == 0 || !equal_ignoring_case(*fields.coding, "chunked"))) {
        return "Transfer-Encoding is not chunked alone";
    }
    return {};
}

std::string_view reason_phrase(int status) {
    static constexpr auto kPhrases = std::to_array<std::pair<int, std::string_view>>({
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    });
    const auto* const found = std::find_if(kPhrases.begin(), kPhrases.end(),
                                           [&](const auto& one) { return one.first == status; });
    return found == kPhrases.end() ? std::string_view("Status") : found->second;
}

// date gives the time as HTTP writes it (RFC 9110 5.6.7), made once a second and thread.
std::string_view date() {
    static thread_local std::time_t of = -1;
    static thread_local std::array<char, 40> text{};
    const std::time_t now = std::time(nullptr);
    if (now != of) {
        std::tm parts{};
        ::gmtime_r(&now, &parts);
        std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        of = now;
    }
    return text.data();
}

bool is_framing(std::string_view name) {
    return equal_ignoring_case(name, "content-length") ||
           equal_ignoring_case(name, "transfer-encoding") ||
           equal_ignoring_case(name, "connection") || equal_ignoring_case(name, "keep-alive");
}

bool can_be_written(const Headers& headers) {
    return std::all_of(headers.begin(), headers.end(), [](const Header& header) {
        return is_token(header.first) && is_field_value(header.second);
    });
}

std::size_t size_of(const Headers& headers) {
    std::size_t size = 0;
    for (const auto& [name, value] : headers) {
        size += name.size() + value.size() + 4;
    }
    return size;
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
}

// make_room makes room for more bytes without leaving any behind.
void make_room(std::string& text, std::size_t more) {
    if (text.capacity() - text.size() >= more) {
        return;
    }
    std::string larger;
    larger.reserve(std::max(text.size() + more, 2 * text.capacity()));
    larger.append(text);
    forget(text);
    text = std::move(larger);
}

// kStartRoom: for a start line and the headers that are this room's own.
constexpr std::size_t kStartRoom = 256;

// BodyField: the header that says where a request's body ends; no name for none.
struct BodyField {
    std::string_view field;
    std::string value;
};

// append_head writes a request up to the empty line, with room for more bytes after it.
bool append_head(std::string& out, const Request& request, const BodyField& body,
                 std::size_t more) {
    const FramingFields fields = fields_of(request.headers);
    if (!is_token(request.method) || !is_origin_form(request.target) ||
        !can_be_written(request.headers) || fields.host == nullptr || fields.twice ||
        fields.coding != nullptr || fields.expect != nullptr ||
        find_header(request.headers, "connection") != nullptr ||
        (fields.length != nullptr && *fields.length != body.value)) {
        return false;
    }
    make_room(out, kStartRoom + request.method.size() + request.target.size() +
                       size_of(request.headers) + more);
    out.append(request.method).append(" ").append(request.target).append(" HTTP/1.1\r\n");
    for (const auto& [name, value] : request.headers) {
        if (!is_framing(name)) {
            append_header(out, name, value);
        }
    }
    if (!body.field.empty()) {
        append_header(out, body.field, body.value);
    }
    out.append("\r\n");
    return true;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                              [](char x, char y) { return lower(x) == lower(y); });
}

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char);
}

bool is_field_value(std::string_view text) {
    return std::none_of(text.begin(), text.end(), is_control) &&
           (text.empty() || (!is_space(text.front()) && !is_space(text.back())));
}

void HeaderScan::go_on(std::string_view bytes) {
    while (fault.empty() && size == 0) {
        const std::size_t end = bytes.find('\n', line);
        if (end == std::string_view::npos) {
            return;
        }
        const std::string_view text = bytes.substr(line, end - line);
        if (text.empty() || text.back() != '\r') {
            fault = "a line does not end in CR LF";
        } else if (text.size() == 1) {
            size = end + 1;
        } else if (is_space(text.front())) {
            fault = "a line begins with space";
        }
        line = end + 1;
    }
}

Framing framing_of(const Request& request, int minor) {
    const FramingFields fields = fields_of(request.headers);
    const auto refuse = [](int status, std::string_view reason) {
        Framing refused;
        refused.status = status;
        refused.reason = reason;
        return refused;
    };
    if (!is_origin_form(request.target) &&
        !(request.target == "*" && request.method == "OPTIONS")) {
        return refuse(400, "the target is not in origin form");
    }
    if (fields.twice) {
        return refuse(400, "a header is there twice that may be there once");
    }
    if (minor >= 1 && fields.host == nullptr) {
        return refuse(400, "no Host");
    }
    if (const std::string_view fault = length_fault(fields, minor); !fault.empty()) {
        return refuse(400, fault);
    }
    if (minor >= 1 && fields.expect != nullptr &&
        !equal_ignoring_case(*fields.expect, "100-continue")) {
        return refuse(417, "an unknown expectation");
    }
    Framing framing;
    framing.expects_continue = minor >= 1 && fields.expect != nullptr;
    framing.keep_alive = !fields.close && (minor >= 1 || fields.keep_alive);
    return framing;
}

void append_secret(std::string& text, std::string_view more) {
    make_room(text, more.size());
    text.append(more);
}

void forget(std::string& text) {
    cleanse(MutableBytes(reinterpret_cast<std::uint8_t*>(text.data()), text.size()));
    text.clear();
}

bool append_response(std::string& out, const Response& response, const ResponseForm& form) {
    if (response.status < 200 || response.status > 599 || !can_be_written(response.headers)) {
        return false;
    }
    const bool bodiless = response.status == 204 || response.status == 304;
    make_room(out, kStartRoom + size_of(response.headers) + response.body.size());
    out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
    out.append(reason_phrase(response.status)).append("\r\n");
    for (const auto& [name, value] : response.headers) {
        if (!is_framing(name)) {
            append_header(out, name, value);
        }
    }
    if (find_header(response.headers, "date") == nullptr) {
        append_header(out, "Date", date());
    }
    if (!bodiless) {
        append_header(out, "Content-Length", std::to_string(response.body.size()));
    }
    if (!form.keep_alive) {
        append_header(out, "Connection", "close");
    } else if (form.minor == 0) {
        append_header(out, "Connection", "keep-alive");
    }
    out.append("\r\n");
    if (!bodiless && !form.head) {
        out.append(response.body);
    }
    return true;
}

bool append_request(std::string& out, const Request& request) {
    const bool has_length =
        !request.body.empty() || request.method == "POST" || request.method == "PUT";
    if (!append_head(out, request,
                     {.field = has_length ? "Content-Length" : "",
                      .value = std::to_string(request.body.size())},
                     request.body.size())) {
        return false;
    }
    out.append(request.body);
    return true;
}

bool append_request_head(std::string& out, const Request& request,
                         std::optional<std::uint64_t> size) {
    return request.body.empty() &&
           append_head(out, request,
                       size ? BodyField{.field = "Content-Length", .value = std::to_string(*size)}
                            : BodyField{.field = "Transfer-Encoding", .value = "chunked"},
                       0);
}

}  // namespace casemate::http
