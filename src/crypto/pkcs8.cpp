#include "crypto/pkcs8.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "crypto/der.hpp"
#include "crypto/der_writer.hpp"
#include "crypto/openssl.hpp"

namespace casemate::crypto {

namespace {

// OpenSSL cleanses the key's bytes within when it frees one.
using PrivateKeyInfo = Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;

// RSA of 4096 bits takes 2.4 KiB.
constexpr std::size_t kMaxDer = 16UL * 1024;
constexpr std::size_t kMaxPem = 64UL * 1024;

}  // namespace

std::optional<Pkcs8Parts> split_pkcs8(ByteView der) {
    if (der.size() > kMaxDer || !der::is_der(der)) {
        return std::nullopt;
    }
    der::Row outside(der);
    const auto whole = outside.next_if(der::kSequence);
    der::Row row(whole ? whole->content : ByteView());
    const auto version = row.next_if(der::kInteger);
    const auto algorithm = row.next_if(der::kSequence);
    const auto key = row.next_if(der::kOctetString);
    if (!version || version->content.size() != 1 || version->content[0] != 0 || !algorithm ||
        !key || !row.empty() || !der::is_der(key->content)) {
        return std::nullopt;
    }
    return Pkcs8Parts{.algorithm = algorithm->whole, .key = key->content};
}

Bytes make_spki(ByteView algorithm, ByteView bits) {
    Bytes content(algorithm.begin(), algorithm.end());
    content.insert(content.end(), bits.begin(), bits.end());
    Bytes spki;
    der::append_element(spki, der::kSequence, content);
    return spki;
}

void KeyNumbers::add(const char* name, ByteView number) {
    // OpenSSL's parameters have the processor's order of bytes.
    static_assert(std::endian::native == std::endian::little);
    SecretBytes& own = numbers_.emplace_back(number.size());
    std::ranges::reverse_copy(number, own.mutable_view().begin());
    parameters_.push_back(OSSL_PARAM_construct_BN(name, own.mutable_view().data(), own.size()));
}

void KeyNumbers::add_text(const char* name, std::string text) {
    std::string& own = texts_.emplace_back(std::move(text));
    parameters_.push_back(OSSL_PARAM_construct_utf8_string(name, own.data(), 0));
}

void KeyNumbers::add_octets(const char* name, ByteView octets) {
    SecretBytes& own = numbers_.emplace_back(Bytes(octets.begin(), octets.end()));
    parameters_.push_back(
        OSSL_PARAM_construct_octet_string(name, own.mutable_view().data(), own.size()));
}

EvpKey KeyNumbers::make(const char* type) {
    parameters_.push_back(OSSL_PARAM_construct_end());
    const Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free> context(
        EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    require(context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1, "start a key");
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, parameters_.data()) != 1) {
        ERR_clear_error();
        return nullptr;
    }
    return EvpKey(key);
}

Result<EvpKey> read_pkcs8(ByteView der) {
    const unsigned char* in = der.data();
    const PrivateKeyInfo info(
        der.size() <= kMaxDer && der::is_der(der)
            ? d2i_PKCS8_PRIV_KEY_INFO(nullptr, &in, static_cast<long>(der.size()))
            : nullptr);
    EvpKey key(info && in == der.data() + der.size() ? EVP_PKCS82PKEY(info.get()) : nullptr);
    if (!key) {
        return openssl_error(CryptoErrc::bad_encoding,
                             "expected an unencrypted private key in PKCS #8, found something "
                             "else");
    }
    // A decoder that was tried before the one that fitted may have left its reasons.
    ERR_clear_error();
    return key;
}

Result<EvpKey> read_pem_key(ByteView pem) {
    const Bio bio(pem.size() <= kMaxPem ? BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))
                                        : nullptr);
    EvpKey key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr);
    if (!key) {
        return openssl_error(
            CryptoErrc::bad_encoding,
            "expected an unencrypted private key in PEM, found none that can be read");
    }
    return key;
}

SecretBytes write_pkcs8(const EVP_PKEY* key) {
    const PrivateKeyInfo info(EVP_PKEY2PKCS8(key));
    const int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr) : 0;
    require(size > 0, "encode a private key");
    SecretBytes der(static_cast<std::size_t>(size));
    unsigned char* out = der.mutable_view().data();
    require(i2d_PKCS8_PRIV_KEY_INFO(info.get(), &out) == size, "encode a private key");
    return der;
}

}  // namespace casemate::crypto
