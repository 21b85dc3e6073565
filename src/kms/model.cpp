#include "kms/model.hpp"

#include <array>

namespace casemate::kms {

namespace {

// Names: the text of each enumerator, in the enumeration's order.
constexpr std::array<std::string_view, 10> kKeySpecs = {
    "SYMMETRIC_DEFAULT", "RSA_2048",      "RSA_3072", "RSA_4096", "ECC_NIST_P256",
    "ECC_NIST_P384",     "ECC_NIST_P521", "HMAC_256", "HMAC_384", "HMAC_512"};
constexpr std::array<std::string_view, 4> kKeyUsages = {"ENCRYPT_DECRYPT", "SIGN_VERIFY",
                                                        "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"};
constexpr std::array<std::string_view, 4> kKeyStates = {"Enabled", "Disabled", "PendingDeletion",
                                                        "PendingImport"};
constexpr std::array<std::string_view, 2> kOrigins = {"AWS_KMS", "EXTERNAL"};

template <class E, std::size_t N>
std::optional<E> parse(const std::array<std::string_view, N>& names, std::string_view text) {
    for (std::size_t i = 0; i < N; ++i) {
        if (names[i] == text) {
            return static_cast<E>(i);
        }
    }
    return std::nullopt;
}

}  // namespace

std::string_view name_of(KeySpec spec) {
    return kKeySpecs.at(static_cast<std::size_t>(spec));
}

std::string_view name_of(KeyUsage usage) {
    return kKeyUsages.at(static_cast<std::size_t>(usage));
}

std::string_view name_of(KeyState state) {
    return kKeyStates.at(static_cast<std::size_t>(state));
}

std::string_view name_of(Origin origin) {
    return kOrigins.at(static_cast<std::size_t>(origin));
}

std::optional<KeySpec> parse_key_spec(std::string_view text) {
    return parse<KeySpec>(kKeySpecs, text);
}

std::optional<KeyUsage> parse_key_usage(std::string_view text) {
    return parse<KeyUsage>(kKeyUsages, text);
}

std::optional<KeyState> parse_key_state(std::string_view text) {
    return parse<KeyState>(kKeyStates, text);
}

std::optional<Origin> parse_origin(std::string_view text) {
    return parse<Origin>(kOrigins, text);
}

}  // namespace casemate::kms
