#include "crypto/mac.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <string>

#include "crypto/openssl.hpp"

namespace casemate::crypto {

namespace {

using Mac = Owned<EVP_MAC, EVP_MAC_free>;
using MacContext = Owned<EVP_MAC_CTX, EVP_MAC_CTX_free>;

MacContext make_context(std::string digest) {
    const Mac mac(EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr));
    require(mac != nullptr, "find HMAC");
    MacContext context(EVP_MAC_CTX_new(mac.get()));
    const std::array<OSSL_PARAM, 2> parameters = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), digest.size()),
        OSSL_PARAM_construct_end()};
    require(context != nullptr && EVP_MAC_CTX_set_params(context.get(), parameters.data()) == 1,
            "make a context of HMAC");
    return context;
}

// context_for gives this thread's context of an algorithm: making one costs more than the code of a
// short message does.
EVP_MAC_CTX* context_for(MacAlgorithm algorithm) {
    constexpr std::array kDigests = {"SHA256", "SHA384", "SHA512"};
    thread_local std::array<MacContext, kDigests.size()> contexts;
    const auto index = static_cast<std::size_t>(algorithm);
    if (contexts.at(index) == nullptr) {
        contexts.at(index) = make_context(kDigests.at(index));
    }
    return contexts.at(index).get();
}

}  // namespace

std::size_t mac_size(MacAlgorithm algorithm) {
    switch (algorithm) {
        case MacAlgorithm::hmac_sha256:
            return 32;
        case MacAlgorithm::hmac_sha384:
            return 48;
        case MacAlgorithm::hmac_sha512:
            return 64;
    }
    return 0;
}

SecretBytes hmac(MacAlgorithm algorithm, ByteView key, ByteView message) {
    EVP_MAC_CTX* context = context_for(algorithm);
    // An empty key too must point somewhere: OpenSSL goes on with the last key when given none.
    const std::uint8_t nothing = 0;
    const std::uint8_t* key_bytes = key.empty() ? &nothing : key.data();
    SecretBytes code(mac_size(algorithm));
    std::size_t size = 0;
    require(EVP_MAC_init(context, key_bytes, key.size(), nullptr) == 1 &&
                EVP_MAC_update(context, message.data(), message.size()) == 1 &&
                EVP_MAC_final(context, code.mutable_view().data(), &size, code.size()) == 1 &&
                size == code.size(),
            "make an HMAC");
    // Another key overwrites what the context holds of this one.
    require(EVP_MAC_init(context, &nothing, sizeof nothing, nullptr) == 1, "forget a key");
    return code;
}

bool verify_hmac(MacAlgorithm algorithm, ByteView key, ByteView message, ByteView mac) {
    return constant_time_equal(hmac(algorithm, key, message).view(), mac);
}

}  // namespace casemate::crypto
