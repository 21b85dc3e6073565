#include "raw.hpp"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <vector>

namespace casemate::bench {

namespace {

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;
using KeyHandle = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using DerivationContext = std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)>;

void must(bool fine) {
    if (!fine) {
        std::fprintf(stderr, "kms_rates: OpenSSL refused\n");
        std::exit(1);
    }
}

double processor_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// each gives the microseconds of one call, over about a quarter of a second.
double each(const std::function<void()>& call) {
    call();
    constexpr double kEnough = 0.25;
    std::size_t calls = 0;
    const double start = processor_seconds();
    double taken = 0;
    while (taken < kEnough) {
        for (int i = 0; i < 16; ++i) {
            call();
        }
        calls += 16;
        taken = processor_seconds() - start;
    }
    return taken / static_cast<double>(calls) * 1e6;
}

// Gcm: AES-256-GCM, the key expanded anew for each message or once.
class Gcm {
public:
    void run(const Bytes& key, Bytes& data, bool expand) {
        must(EVP_EncryptInit_ex(context_.get(), expand ? EVP_aes_256_gcm() : nullptr, nullptr,
                                expand ? key.data() : nullptr, nonce_.data()) == 1);
        int size = 0;
        must(EVP_EncryptUpdate(context_.get(), data.data(), &size, data.data(),
                               static_cast<int>(data.size())) == 1);
        must(EVP_EncryptFinal_ex(context_.get(), data.data(), &size) == 1);
        must(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_GCM_GET_TAG, 16, tag_.data()) == 1);
    }

private:
    CipherContext context_{EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free};
    std::array<std::uint8_t, 12> nonce_{};
    std::array<std::uint8_t, 16> tag_{};
};

double around(const Sizes& sizes) {
    const Bytes key(32, 7);
    Gcm in;
    Gcm out;
    Bytes request(sizes.request);
    Bytes response(sizes.response);
    in.run(key, request, true);
    out.run(key, response, true);
    const Bytes body(sizes.request_body);
    // The canonical request and the string to sign are about so long.
    const Bytes canonical(700);
    const Bytes line(900);
    std::array<std::uint8_t, 32> digest{};
    unsigned size = 0;
    return each([&] {
        in.run(key, request, false);
        must(EVP_Digest(body.data(), body.size(), digest.data(), &size, EVP_sha256(), nullptr) ==
             1);
        must(EVP_Digest(canonical.data(), canonical.size(), digest.data(), &size, EVP_sha256(),
                        nullptr) == 1);
        must(HMAC(EVP_sha256(), key.data(), 32, canonical.data(), 140, digest.data(), &size) !=
             nullptr);
        must(EVP_Digest(line.data(), line.size(), digest.data(), &size, EVP_sha256(), nullptr) ==
             1);
        out.run(key, response, false);
    });
}

// message: a message key by HKDF-SHA256, and AES-256-GCM under it.
double message() {
    EVP_KDF* kdf = EVP_KDF_fetch(nullptr, "HKDF", nullptr);
    const DerivationContext derivation(EVP_KDF_CTX_new(kdf), EVP_KDF_CTX_free);
    EVP_KDF_free(kdf);
    Bytes material(32, 1);
    Bytes salt(16, 2);
    Bytes key(32);
    std::array<char, 7> digest{'S', 'H', 'A', '2', '5', '6', 0};
    const std::array<OSSL_PARAM, 4> parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, material.data(), material.size()),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt.data(), salt.size()),
        OSSL_PARAM_construct_end()};
    Gcm gcm;
    Bytes data(32);
    return each([&] {
        must(EVP_KDF_derive(derivation.get(), key.data(), key.size(), parameters.data()) == 1);
        gcm.run(key, data, true);
    });
}

double random_key() {
    Bytes key(32);
    return each([&] { must(RAND_priv_bytes(key.data(), 32) == 1); });
}

double sign() {
    const KeyHandle key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    const DigestContext context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    const Bytes data(32);
    Bytes signature(80);
    return each([&] {
        std::size_t size = signature.size();
        must(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1);
        must(EVP_DigestSign(context.get(), signature.data(), &size, data.data(), data.size()) == 1);
        must(EVP_MD_CTX_reset(context.get()) == 1);
    });
}

double verify_document(std::size_t document) {
    const KeyHandle key(EVP_EC_gen("P-384"), EVP_PKEY_free);
    const DigestContext context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    const Bytes data(document);
    Bytes signature(120);
    std::size_t size = signature.size();
    must(EVP_DigestSignInit(context.get(), nullptr, EVP_sha384(), nullptr, key.get()) == 1);
    must(EVP_DigestSign(context.get(), signature.data(), &size, data.data(), data.size()) == 1);
    return each([&] {
        must(EVP_MD_CTX_reset(context.get()) == 1);
        must(EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha384(), nullptr, key.get()) == 1);
        must(EVP_DigestVerify(context.get(), signature.data(), size, data.data(), data.size()) ==
             1);
    });
}

double seal() {
    const KeyHandle key(EVP_RSA_gen(2048), EVP_PKEY_free);
    const KeyContext rsa(EVP_PKEY_CTX_new(key.get(), nullptr), EVP_PKEY_CTX_free);
    must(EVP_PKEY_encrypt_init(rsa.get()) == 1);
    must(EVP_PKEY_CTX_set_rsa_padding(rsa.get(), RSA_PKCS1_OAEP_PADDING) == 1);
    must(EVP_PKEY_CTX_set_rsa_oaep_md(rsa.get(), EVP_sha256()) == 1);
    const CipherContext cbc(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
    Bytes content_key(32);
    Bytes sealed(256);
    Bytes data(64);
    const Bytes iv(16);
    return each([&] {
        must(RAND_priv_bytes(content_key.data(), 32) == 1);
        std::size_t size = sealed.size();
        must(EVP_PKEY_encrypt(rsa.get(), sealed.data(), &size, content_key.data(), 32) == 1);
        int written = 0;
        must(EVP_EncryptInit_ex(cbc.get(), EVP_aes_256_cbc(), nullptr, content_key.data(),
                                iv.data()) == 1);
        must(EVP_EncryptUpdate(cbc.get(), data.data(), &written, data.data(), 32) == 1);
        must(EVP_EncryptFinal_ex(cbc.get(), data.data(), &written) == 1);
    });
}

}  // namespace

Cost measure(Work work, const Sizes& sizes) {
    Cost cost;
    cost.around = around(sizes);
    switch (work) {
        case Work::decrypt:
            cost.operation = message();
            break;
        case Work::decrypt_for_recipient:
            cost.operation = message() + verify_document(sizes.document) + seal();
            break;
        case Work::generate_data_key:
            cost.operation = random_key() + message();
            break;
        case Work::sign:
            cost.operation = sign();
            break;
    }
    return cost;
}

}  // namespace casemate::bench
