// Errors of the http room.
#pragma once

#include <cstdint>
#include <string_view>

namespace casemate::http {

enum class HttpErrc : std::uint8_t {
    // A message that breaks RFC 9112, or that this room refuses as ambiguous.
    bad_message,
    // More bytes or headers than the limits allow.
    too_large,
    // The deadline passed.
    timed_out,
    // The peer closed, or the connection broke, in the middle of an exchange.
    connection_lost,
    // The peer closed the connection before the first byte of its answer: on a connection that was
    // used before, the request may be sent again on a new one, if sending it twice does no harm.
    closed_before_response,
    // TLS could not be agreed upon, or the server's certificate is not trusted or not for the host.
    tls_failure,
    // Nobody can be reached under a name or address; the sentence says what was tried.
    cannot_connect,
    // A listener can't be made; the sentence says which and why.
    cannot_listen,
    // Options or a message of the caller that make no sense.
    bad_argument,
    // A text that is no URL, or none that is spoken to here.
    bad_url,
};

[[nodiscard]] std::string_view describe(HttpErrc code);

}  // namespace casemate::http
