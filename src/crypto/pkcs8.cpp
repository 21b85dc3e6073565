#include "crypto/pkcs8.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "crypto/der.hpp"
#include "crypto/openssl.hpp"

namespace casemate::crypto {

namespace {

// OpenSSL cleanses the key's bytes within when it frees one.
using PrivateKeyInfo = Owned<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;

// RSA of 4096 bits takes 2.4 KiB.
constexpr std::size_t kMaxDer = 16UL * 1024;
constexpr std::size_t kMaxPem = 64UL * 1024;

}  // namespace

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
