// Why there is no answer of KMS: this client's own reasons, and KMS's refusals.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/result.hpp"

namespace casemate::kms_client {

enum class ClientErrc : std::uint8_t {
    // An option, a file or a request that can't be.
    bad_argument,
    // No security module, or it gives no document: not in an enclave?
    no_module,
    // Nobody at the address, or the connection broke.
    not_connected,
    // TLS: whoever answers is not the host, as far as the CA file can tell.
    untrusted_server,
    timed_out,
    // What came back is no answer to the request.
    bad_answer,
    // A plaintext came back where it should have been encrypted for this enclave.
    plaintext_answer,
    // CiphertextForRecipient does not open with this client's key.
    not_opened,
    internal,
};

// describe is the name that programs see: "timed_out".
[[nodiscard]] std::string_view describe(ClientErrc code);

// Failure: why a call has no answer.
struct Failure {
    // type: KMS's exception ("AccessDeniedException"), or what describe says of a ClientErrc.
    std::string type;
    // message for people: KMS's own, or what was expected and found.
    std::string message;
    // status of HTTP; 0 where it is not KMS that refused.
    int status = 0;
    // request_id of KMS's answer, to be looked up in its audit log; may be empty.
    std::string request_id;

    // text is "TYPE: message".
    [[nodiscard]] std::string text() const {
        return message.empty() ? type : type + ": " + message;
    }
};

// failure_of makes one of this client's own reasons, or of another room's.
[[nodiscard]] Failure failure_of(const Error& error);

// Outcome: a T or a Failure; an Error becomes a Failure. As Result, ask which before taking either.
template <class T>
class [[nodiscard]] Outcome {
public:
    using value_type = T;

    // NOLINTBEGIN(google-explicit-constructor): that is how functions return them.
    Outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Outcome(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}
    Outcome(const Error& error) : state_(std::in_place_index<1>, failure_of(error)) {}
    // NOLINTEND(google-explicit-constructor)

    [[nodiscard]] bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & { return *std::get_if<0>(&state_); }
    const T& value() const& { return *std::get_if<0>(&state_); }
    T&& value() && { return std::move(*std::get_if<0>(&state_)); }
    T* operator->() { return std::get_if<0>(&state_); }
    const T* operator->() const { return std::get_if<0>(&state_); }

    const Failure& error() const& { return *std::get_if<1>(&state_); }
    Failure&& error() && { return std::move(*std::get_if<1>(&state_)); }

private:
    std::variant<T, Failure> state_;
};

}  // namespace casemate::kms_client
