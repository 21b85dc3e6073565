// A request that owns its parts, and the credentials that the tests sign with.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "codec/rfc3339.hpp"
#include "sigv4/request.hpp"
#include "sigv4/sign.hpp"
#include "sigv4/verify.hpp"

namespace casemate::sigv4 {

// AWS's documentation and test suite sign as this user at this time.
inline constexpr std::string_view kExampleId = "AKIDEXAMPLE";
inline constexpr std::string_view kExampleSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
inline constexpr std::string_view kExampleRegion = "us-east-1";

inline codec::Milliseconds at(std::string_view rfc3339) {
    return codec::parse_rfc3339(rfc3339).value();
}

inline codec::Milliseconds example_time() {
    return at("2015-08-30T12:36:00Z");
}

inline SecretBytes secret_of(std::string_view text) {
    const ByteView bytes = as_bytes(text);
    return SecretBytes(Bytes(bytes.begin(), bytes.end()));
}

struct OwnedRequest {
    std::string method = "POST";
    std::string target = "/";
    Headers headers;
    std::string body;

    [[nodiscard]] RequestView view() const { return {method, target, headers, as_bytes(body)}; }

    // find gives the first header of a name as it is written.
    [[nodiscard]] std::string* find(std::string_view name) {
        for (auto& [key, value] : headers) {
            if (key == name) {
                return &value;
            }
        }
        return nullptr;
    }

    void remove(std::string_view name) {
        std::erase_if(headers, [&](const Header& header) { return header.first == name; });
    }
};

// kms_request is what a client of KMS sends, unsigned.
inline OwnedRequest kms_request() {
    return {"POST",
            "/",
            {{"Host", "kms.us-east-1.amazonaws.com"},
             {"Content-Type", "application/x-amz-json-1.1"},
             {"X-Amz-Target", "TrentService.Decrypt"},
             {"User-Agent", "somebody/1.0"}},
            R"({"CiphertextBlob": "AAAA"})"};
}

inline Credential example_credential(std::string_view session_token = {}) {
    return {std::string(kExampleId), secret_of(kExampleSecret), secret_of(session_token)};
}

// example_lookup knows the example's key, with a session token or none.
inline Lookup example_lookup(std::string session_token = {}) {
    return [token = std::move(session_token)](std::string_view id) -> Result<std::optional<Known>> {
        if (id != kExampleId) {
            return std::optional<Known>();
        }
        return std::optional<Known>(Known{secret_of(kExampleSecret), secret_of(token)});
    };
}

inline Expectations kms_expectations() {
    return {.service = "kms", .region = std::string(kExampleRegion)};
}

}  // namespace casemate::sigv4
