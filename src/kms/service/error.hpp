// Errors of the service's own, and errors as they leave it over HTTP.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "kms/error.hpp"

namespace casemate::kms::service {

enum class ServiceErrc : std::uint8_t {
    // An option that makes no sense; the sentence says which.
    bad_option,
    // A file of the TLS directory, or a certificate that was given, can't be used.
    bad_tls_file,
    // The store's secrets are wrapped under root keys that the data directory has not.
    wrong_root_keys,
};

[[nodiscard]] std::string_view describe(ServiceErrc code);

// Fault: an error as a caller gets it.
struct Fault {
    KmsErrc code = KmsErrc::internal;
    std::string message;
};

// fault_of_signature is what a caller is told whose signature was refused: AWS's names, and its
// sentences where ours would say more than he needs. Other rooms' errors, those of the lookup, go
// through at_edge.
[[nodiscard]] Fault fault_of_signature(const Error& error);

// fault_of takes an error of perform, or of anything below, apart.
[[nodiscard]] Fault fault_of(const Error& error);

// body_of writes {"__type":NAME,"message":SENTENCE}, as AWS's KMS does.
[[nodiscard]] std::string body_of(const Fault& fault);

}  // namespace casemate::kms::service
