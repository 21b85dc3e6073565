#include "http/request_parser.hpp"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <limits>
#include <optional>

namespace casemate::http {

namespace {

namespace beast = boost::beast;

// A chunk's size in hexadecimal, its extensions (which are refused) and line ends.
constexpr std::size_t kMaxChunkHead = 256;

std::string text(beast::string_view view) {
    return {view.data(), view.size()};
}

// ToRequest makes a Request of what Beast finds.
class ToRequest final : public beast::http::basic_parser<true> {
public:
    ToRequest(const RequestLimits& limits, Request& request) : limits_(limits), request_(&request) {
        eager(true);
        body_limit(limits.body_bytes);
        // The header's size is checked before it comes here.
        header_limit(std::numeric_limits<std::uint32_t>::max());
    }

    [[nodiscard]] const Framing& framing() const { return framing_; }
    [[nodiscard]] int minor() const { return minor_; }

private:
    using Code = beast::error_code;

    void refuse(int status, std::string_view reason, Code& code) {
        framing_.status = status;
        framing_.reason = reason;
        code = beast::http::error::bad_field;
    }

    void on_request_impl(beast::http::verb /*method*/, beast::string_view method,
                         beast::string_view target, int version, Code& /*code*/) override {
        request_->method = text(method);
        request_->target = text(target);
        minor_ = version % 10;
    }

    void on_field_impl(beast::http::field /*field*/, beast::string_view name,
                       beast::string_view value, Code& code) override {
        if (is_header_complete_) {
            refuse(400, "a trailer", code);
        } else if (request_->headers.size() == limits_.headers) {
            refuse(431, "too many headers", code);
        } else {
            request_->headers.emplace_back(text(name), text(value));
        }
    }

    void on_header_impl(Code& code) override {
        is_header_complete_ = true;
        framing_ = framing_of(*request_, minor_);
        if (framing_.status != 0) {
            refuse(framing_.status, framing_.reason, code);
        }
    }

    void on_body_init_impl(const boost::optional<std::uint64_t>& length, Code& /*code*/) override {
        // The length is within the limit; what is announced is only taken as it comes.
        constexpr std::uint64_t kReserved = 65536;
        request_->body.reserve(static_cast<std::size_t>(std::min(length.value_or(0), kReserved)));
    }

    std::size_t on_body_impl(beast::string_view part, Code& /*code*/) override {
        append_secret(request_->body, {part.data(), part.size()});
        return part.size();
    }

    void on_chunk_header_impl(std::uint64_t /*size*/, beast::string_view extensions,
                              Code& code) override {
        if (!extensions.empty()) {
            refuse(400, "a chunk extension", code);
        }
    }

    std::size_t on_chunk_body_impl(std::uint64_t /*rest*/, beast::string_view part,
                                   Code& /*code*/) override {
        append_secret(request_->body, {part.data(), part.size()});
        return part.size();
    }

    void on_response_impl(int /*status*/, beast::string_view /*reason*/, int /*version*/,
                          Code& /*code*/) override {}
    void on_finish_impl(Code& /*code*/) override {}

    RequestLimits limits_;
    Request* request_;
    Framing framing_;
    int minor_ = 1;
    bool is_header_complete_ = false;
};

}  // namespace

class RequestParser::Implementation {
public:
    explicit Implementation(const RequestLimits& limits) : limits_(limits) { reset(); }
    ~Implementation() { forget(request_.body); }
    Implementation(const Implementation&) = delete;
    Implementation& operator=(const Implementation&) = delete;

    void reset() {
        forget(request_.body);
        request_.method.clear();
        request_.target.clear();
        request_.headers.clear();
        scan_ = {};
        refusal_ = {};
        parser_.emplace(limits_, request_);
    }

    Parsed put(std::string_view bytes, std::size_t& consumed) {
        consumed = 0;
        if (!parser_->is_header_done()) {
            if (!has_whole_header(bytes)) {
                return refusal_.status != 0 ? Parsed::refused : Parsed::needs_more;
            }
        }
        beast::error_code code;
        consumed = parser_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), code);
        if (code == beast::http::error::need_more) {
            code = {};
            if (parser_->is_header_done() && bytes.size() - consumed > kMaxChunkHead) {
                code = beast::http::error::bad_chunk;
            }
        }
        if (code) {
            refuse(code);
            return Parsed::refused;
        }
        return parser_->is_done() ? Parsed::complete : Parsed::needs_more;
    }

    [[nodiscard]] bool has_headers() const { return parser_->is_header_done(); }
    [[nodiscard]] Request& request() { return request_; }
    [[nodiscard]] const Framing& framing() const {
        return refusal_.status != 0 ? refusal_ : parser_->framing();
    }
    [[nodiscard]] int minor() const { return parser_->minor(); }

private:
    // has_whole_header looks at the lines of the header before Beast does; refusal_ is set where
    // they can't be a request's.
    bool has_whole_header(std::string_view bytes) {
        if (!bytes.empty() && !is_token(bytes.substr(0, 1))) {
            refuse(400, "no request");
            return false;
        }
        scan_.go_on(bytes);
        if (!scan_.fault.empty()) {
            refuse(400, scan_.fault);
        } else if ((scan_.size == 0 ? bytes.size() : scan_.size) > limits_.header_bytes) {
            refuse(431, "the headers are too long");
        }
        return refusal_.status == 0 && scan_.size != 0;
    }

    void refuse(int status, std::string_view reason) {
        refusal_.status = status;
        refusal_.reason = reason;
    }

    void refuse(const beast::error_code& code) {
        using beast::http::error;
        if (parser_->framing().status != 0) {
            refusal_ = parser_->framing();
        } else if (code == error::body_limit) {
            refuse(413, "the body is too long");
        } else if (code == error::bad_version) {
            refuse(505, "not HTTP/1.0 or HTTP/1.1");
        } else {
            refuse(400, "the request is malformed");
        }
    }

    RequestLimits limits_;
    Request request_;
    HeaderScan scan_;
    Framing refusal_;
    std::optional<ToRequest> parser_;
};

RequestParser::RequestParser(const RequestLimits& limits)
    : implementation_(std::make_unique<Implementation>(limits)) {
}

RequestParser::~RequestParser() = default;

void RequestParser::reset() {
    implementation_->reset();
}

Parsed RequestParser::put(std::string_view bytes, std::size_t& consumed) {
    return implementation_->put(bytes, consumed);
}

bool RequestParser::has_headers() const {
    return implementation_->has_headers();
}

Request& RequestParser::request() {
    return implementation_->request();
}

const Framing& RequestParser::framing() const {
    return implementation_->framing();
}

int RequestParser::minor() const {
    return implementation_->minor();
}

}  // namespace casemate::http
