#include "http/response_parser.hpp"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "http/wire.hpp"

namespace casemate::http {

namespace {

namespace beast = boost::beast;

// A chunk's head, and trailers.
constexpr std::size_t kMaxChunkHead = 16384;

std::string text(beast::string_view view) {
    return {view.data(), view.size()};
}

// ToResponse makes a Response of what Beast finds.
class ToResponse final : public beast::http::basic_parser<false> {
public:
    ToResponse(std::size_t max_body_bytes, bool to_head, const BodySink* sink, Response& response)
        : sink_(sink), response_(&response) {
        eager(true);
        skip(to_head);
        body_limit(max_body_bytes);
        // The header's size is checked before it comes here.
        header_limit(std::numeric_limits<std::uint32_t>::max());
    }

    // sink_error: what the sink answered, if that was an error.
    [[nodiscard]] const std::optional<Error>& sink_error() const { return sink_error_; }

private:
    using Code = beast::error_code;

    void on_response_impl(int status, beast::string_view /*reason*/, int /*version*/,
                          Code& /*code*/) override {
        response_->status = status;
        if (goes_to_sink()) {
            body_limit(boost::none);
        }
    }

    void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view value,
                       Code& code) override {
        // Trailers say nothing that anybody here waits for.
        if (is_header_complete_) {
            return;
        }
        // Twice, even with the same value, is a sign of two writers.
        const bool again = field == beast::http::field::content_length &&
                           find_header(response_->headers, "content-length") != nullptr;
        const bool unknown = field == beast::http::field::transfer_encoding &&
                             !equal_ignoring_case({value.data(), value.size()}, "chunked");
        if (again || unknown) {
            code = beast::http::error::bad_field;
            return;
        }
        response_->headers.emplace_back(text(name), text(value));
    }

    void on_header_impl(Code& /*code*/) override { is_header_complete_ = true; }

    void on_body_init_impl(const boost::optional<std::uint64_t>& length, Code& /*code*/) override {
        if (goes_to_sink()) {
            return;
        }
        constexpr std::uint64_t kReserved = 65536;
        response_->body.reserve(static_cast<std::size_t>(std::min(length.value_or(0), kReserved)));
    }

    std::size_t on_body_impl(beast::string_view part, Code& code) override {
        return take(part, code);
    }

    std::size_t on_chunk_body_impl(std::uint64_t /*rest*/, beast::string_view part,
                                   Code& code) override {
        return take(part, code);
    }

    void on_chunk_header_impl(std::uint64_t /*size*/, beast::string_view /*extensions*/,
                              Code& /*code*/) override {}
    void on_request_impl(beast::http::verb /*verb*/, beast::string_view /*method*/,
                         beast::string_view /*target*/, int /*version*/, Code& /*code*/) override {}
    void on_finish_impl(Code& /*code*/) override {}

    [[nodiscard]] bool goes_to_sink() const {
        return sink_ != nullptr && response_->status / 100 == 2;
    }

    std::size_t take(beast::string_view part, Code& code) {
        const std::string_view bytes(part.data(), part.size());
        if (!goes_to_sink()) {
            append_secret(response_->body, bytes);
        } else if (auto taken = (*sink_)(as_bytes(bytes)); !taken) {
            sink_error_ = std::move(taken).error();
            code = beast::http::error::end_of_stream;
        }
        return part.size();
    }

    const BodySink* sink_;
    Response* response_;
    bool is_header_complete_ = false;
    std::optional<Error> sink_error_;
};

Error bad_message(std::string why) {
    return Error(HttpErrc::bad_message, "expected a response, found " + std::move(why));
}

}  // namespace

class ResponseParser::Implementation {
public:
    Implementation(std::size_t max_header_bytes, std::size_t max_body_bytes, bool to_head,
                   const BodySink* sink)
        : max_header_bytes_(max_header_bytes),
          max_body_bytes_(max_body_bytes),
          to_head_(to_head),
          sink_(sink) {
        begin();
    }
    Implementation(const Implementation&) = delete;
    Implementation& operator=(const Implementation&) = delete;
    ~Implementation() { forget(response_.body); }

    Result<std::size_t> put(std::string_view bytes) {
        std::size_t consumed = 0;
        while (consumed < bytes.size() && !parser_->is_done()) {
            const std::string_view rest = bytes.substr(consumed);
            if (!parser_->is_header_done()) {
                CASEMATE_TRY(const bool whole, has_whole_header(rest));
                if (!whole) {
                    break;
                }
            }
            CASEMATE_TRY(const std::size_t more, put_some(rest));
            consumed += more;
            if (parser_->is_done() && response_.status / 100 == 1) {
                if (response_.status == 101) {
                    return bad_message("a switch to another protocol");
                }
                begin();
            } else if (more == 0) {
                break;
            }
        }
        return consumed;
    }

    Result<> put_end() {
        beast::error_code code;
        if (!parser_->is_header_done()) {
            return bad_message("its end in the headers");
        }
        parser_->put_eof(code);
        return code ? Result<>(bad_message("its end in the body")) : Result<>();
    }

    [[nodiscard]] bool complete() const { return parser_->is_done(); }
    [[nodiscard]] bool keep_alive() const { return parser_->keep_alive(); }
    [[nodiscard]] Response take() { return std::exchange(response_, Response()); }

private:
    void begin() {
        response_ = {};
        scan_ = {};
        parser_.emplace(max_body_bytes_, to_head_, sink_, response_);
    }

    Result<bool> has_whole_header(std::string_view bytes) {
        scan_.go_on(bytes);
        if (!scan_.fault.empty()) {
            return bad_message(std::string(scan_.fault));
        }
        if ((scan_.size == 0 ? bytes.size() : scan_.size) > max_header_bytes_) {
            return Error(HttpErrc::too_large, "expected at most " +
                                                  std::to_string(max_header_bytes_) +
                                                  " bytes of headers, found more");
        }
        return scan_.size != 0;
    }

    Result<std::size_t> put_some(std::string_view bytes) {
        beast::error_code code;
        const std::size_t consumed =
            parser_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), code);
        if (parser_->sink_error()) {
            return *parser_->sink_error();
        }
        if (code == beast::http::error::need_more) {
            if (bytes.size() - consumed > kMaxChunkHead) {
                return bad_message("a chunk without end");
            }
        } else if (code == beast::http::error::body_limit) {
            return Error(HttpErrc::too_large, "expected at most " +
                                                  std::to_string(max_body_bytes_) +
                                                  " bytes of body, found more");
        } else if (code) {
            return bad_message(code.message());
        }
        return consumed;
    }

    std::size_t max_header_bytes_;
    std::size_t max_body_bytes_;
    bool to_head_;
    const BodySink* sink_;
    Response response_;
    HeaderScan scan_;
    std::optional<ToResponse> parser_;
};

ResponseParser::ResponseParser(std::size_t max_header_bytes, std::size_t max_body_bytes,
                               bool to_head, const BodySink* sink)
    : implementation_(
          std::make_unique<Implementation>(max_header_bytes, max_body_bytes, to_head, sink)) {
}

ResponseParser::~ResponseParser() = default;

Result<std::size_t> ResponseParser::put(std::string_view bytes) {
    return implementation_->put(bytes);
}

Result<> ResponseParser::put_end() {
    return implementation_->put_end();
}

bool ResponseParser::complete() const {
    return implementation_->complete();
}

bool ResponseParser::keep_alive() const {
    return implementation_->keep_alive();
}

Response ResponseParser::take() {
    return implementation_->take();
}

}  // namespace casemate::http
