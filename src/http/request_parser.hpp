// RequestParser: requests from bytes, strictly; Boost.Beast's parser behind this room's own checks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "http/message.hpp"
#include "http/wire.hpp"

namespace casemate::http {

enum class Parsed : std::uint8_t { needs_more, complete, refused };

// RequestLimits: as Limits of the server has them.
struct RequestLimits {
    std::size_t header_bytes = 0;
    std::size_t headers = 0;
    std::size_t body_bytes = 0;
};

class RequestParser {
public:
    explicit RequestParser(const RequestLimits& limits);
    RequestParser(const RequestParser&) = delete;
    RequestParser& operator=(const RequestParser&) = delete;
    // The request's body is cleansed.
    ~RequestParser();

    // reset makes ready for the next request; the last one is cleansed.
    void reset();

    // put takes bytes, all that came in and were not consumed, and says how many are consumed now.
    [[nodiscard]] Parsed put(std::string_view bytes, std::size_t& consumed);

    // has_headers: all headers are there, and in order.
    [[nodiscard]] bool has_headers() const;
    // request, once it is complete; its peer is the caller's to fill in.
    [[nodiscard]] Request& request();
    // framing, once the headers are there; after a refusal its status and reason.
    [[nodiscard]] const Framing& framing() const;
    // minor of the request's version.
    [[nodiscard]] int minor() const;

private:
    class Implementation;
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace casemate::http
