// ResponseParser: responses from bytes; Boost.Beast's parser behind this room's own checks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.hpp"
#include "http/body.hpp"
#include "http/error.hpp"
#include "http/message.hpp"

namespace casemate::http {

class ResponseParser {
public:
    // to_head: the response is to a HEAD request, so it has no body. sink, where it is there, takes
    // the body of a response of status 2xx, of any size; it is the caller's and must live as long.
    ResponseParser(std::size_t max_header_bytes, std::size_t max_body_bytes, bool to_head,
                   const BodySink* sink = nullptr);
    ResponseParser(const ResponseParser&) = delete;
    ResponseParser& operator=(const ResponseParser&) = delete;
    // The body is cleansed if it was not taken.
    ~ResponseParser();

    // put takes bytes, all that came in and were not consumed, and gives how many are consumed now.
    // Interim responses are passed over. Errors: HttpErrc bad_message, too_large; the sink's.
    [[nodiscard]] Result<std::size_t> put(std::string_view bytes);
    // put_end tells that the peer ended its stream. Errors: HttpErrc bad_message where that is not
    // the response's end.
    [[nodiscard]] Result<> put_end();

    [[nodiscard]] bool complete() const;
    // keep_alive and take, once it is complete.
    [[nodiscard]] bool keep_alive() const;
    [[nodiscard]] Response take();

private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace casemate::http
