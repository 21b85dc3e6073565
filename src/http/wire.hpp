// HTTP/1 on the wire (RFC 9112), as far as it is the same for the server and the client, and what
// the parser's library would let pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.hpp"

namespace casemate::http {

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);
// is_token: RFC 9110 5.6.2.
[[nodiscard]] bool is_token(std::string_view text);
// is_field_value: no control characters but tabs, no space at its ends.
[[nodiscard]] bool is_field_value(std::string_view text);

// HeaderScan: where a message's start line and headers end, found out while they come in.
struct HeaderScan {
    // size: of start line and headers with the empty line that ends them; 0 as long as that line is
    // not there.
    std::size_t size = 0;
    // fault: what is wrong with the lines so far; empty where they are in order.
    std::string_view fault;
    // line: where the next call goes on.
    std::size_t line = 0;

    // go_on looks at the lines that have become whole. bytes are all of the message so far. A line
    // that does not end in CR LF and one that begins with space are faults (RFC 9112 2.2, 5.2);
    // what is in a line is the parser's to judge.
    void go_on(std::string_view bytes);
};

// Framing: what the headers say about a request's body and connection.
struct Framing {
    // status: 0, or that of a refusal, with its reason.
    int status = 0;
    std::string_view reason;
    bool keep_alive = false;
    // expects_continue: the body comes after an interim response.
    bool expects_continue = false;
};

// framing_of reads the headers of a request of HTTP/1.minor. It refuses what RFC 9112 3.2 and 6.3
// let a server refuse: an ambiguous length, a transfer coding that is not chunked alone, no Host or
// two, a target that is not in origin form.
[[nodiscard]] Framing framing_of(const Request& request, int minor);

// append_secret appends to text; where its memory moves, the old is cleansed.
void append_secret(std::string& text, std::string_view more);
// forget cleanses what text holds and empties it.
void forget(std::string& text);

// ResponseForm: how a response is to be written.
struct ResponseForm {
    // minor: of the request's HTTP version.
    int minor = 1;
    bool keep_alive = true;
    // head: for a HEAD request, whose response has no body.
    bool head = false;
};

// append_response writes a whole response. False where a header or the status can't be written:
// nothing is appended then.
[[nodiscard]] bool append_response(std::string& out, const Response& response,
                                   const ResponseForm& form);

// append_request writes a whole request, with the same result.
[[nodiscard]] bool append_request(std::string& out, const Request& request);

// append_request_head writes the part before a body that follows: of size bytes, or in chunks where
// size is absent. The request's own body must be empty; the same result.
[[nodiscard]] bool append_request_head(std::string& out, const Request& request,
                                       std::optional<std::uint64_t> size);

}  // namespace casemate::http
