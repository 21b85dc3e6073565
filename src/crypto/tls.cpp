#include "crypto/tls.hpp"

#include <openssl/ssl.h>

#include <utility>

#include "crypto/key_access.hpp"
#include "crypto/openssl.hpp"
#include "crypto/pkcs8.hpp"

namespace casemate::crypto {

namespace {

using Context = std::shared_ptr<SSL_CTX>;

// What TLS 1.2 may use; that of TLS 1.3 is all of this kind.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kGroups = "X25519:P-256:P-384";

Context make_context(const SSL_METHOD* method) {
    Context context(SSL_CTX_new(method), SSL_CTX_free);
    SSL_CTX* const raw = context.get();
    constexpr std::uint64_t kOptions = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                       SSL_OP_PRIORITIZE_CHACHA;
    require(raw != nullptr && SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(raw, TLS1_3_VERSION) == 1 &&
                SSL_CTX_set_cipher_list(raw, kCiphers) == 1 &&
                SSL_CTX_set1_groups_list(raw, kGroups) == 1 && SSL_CTX_set_num_tickets(raw, 0) == 1,
            "set up TLS");
    SSL_CTX_set_options(raw, kOptions);
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    // A server holds many idle connections, which need no buffers.
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
    return context;
}

Result<Owned<X509, X509_free>> decode(const Certificate& certificate) {
    const unsigned char* in = certificate.der().data();
    Owned<X509, X509_free> decoded(
        d2i_X509(nullptr, &in, static_cast<long>(certificate.der().size())));
    if (!decoded) {
        return openssl_error(CryptoErrc::bad_encoding, "OpenSSL can't decode the certificate");
    }
    return decoded;
}

// identify gives a context the certificate that it shows, and the key to it.
Result<> identify(SSL_CTX* context, const std::vector<Certificate>& chain, EVP_PKEY* key) {
    if (chain.empty()) {
        return Error(CryptoErrc::bad_encoding, "expected a certificate, found none");
    }
    for (std::size_t i = 0; i < chain.size(); ++i) {
        CASEMATE_TRY(const auto certificate, decode(chain[i]));
        const bool taken = i == 0 ? SSL_CTX_use_certificate(context, certificate.get()) == 1
                                  : SSL_CTX_add1_chain_cert(context, certificate.get()) == 1;
        if (!taken) {
            return openssl_error(CryptoErrc::bad_encoding, "TLS does not take the certificate");
        }
    }
    if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1) {
        return openssl_error(CryptoErrc::bad_encoding,
                             "expected the private key of the certificate, found another");
    }
    return {};
}

Result<Context> make_for(const std::vector<Certificate>& chain, EVP_PKEY* key) {
    Context context = make_context(TLS_server_method());
    CASEMATE_CHECK(identify(context.get(), chain, key));
    return context;
}

Context make_client_context() {
    Context context = make_context(TLS_client_method());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    return context;
}

Result<> trust(SSL_CTX* context, ByteView authorities) {
    CASEMATE_TRY(const std::vector<Certificate> certificates,
                 Certificate::all_from_pem(authorities));
    X509_STORE* const store = SSL_CTX_get_cert_store(context);
    for (const Certificate& one : certificates) {
        CASEMATE_TRY(const auto certificate, decode(one));
        require(X509_STORE_add_cert(store, certificate.get()) == 1, "trust an authority");
    }
    return {};
}

}  // namespace

Result<TlsClientContext> TlsClientContext::from_pem(ByteView authorities) {
    Context context = make_client_context();
    CASEMATE_CHECK(trust(context.get(), authorities));
    return TlsClientContext(std::move(context));
}

Result<TlsClientContext> TlsClientContext::with_identity(ByteView authorities, ByteView chain,
                                                         ByteView key) {
    Context context = make_client_context();
    CASEMATE_CHECK(trust(context.get(), authorities));
    CASEMATE_TRY(const std::vector<Certificate> certificates, Certificate::all_from_pem(chain));
    CASEMATE_TRY(const EvpKey decoded, read_pem_key(key));
    CASEMATE_CHECK(identify(context.get(), certificates, decoded.get()));
    return TlsClientContext(std::move(context));
}

Result<TlsClientContext> TlsClientContext::with_system_authorities(ByteView more) {
    Context context = make_client_context();
    require(SSL_CTX_set_default_verify_paths(context.get()) == 1,
            "find the system's certificate authorities");
    if (!more.empty()) {
        CASEMATE_CHECK(trust(context.get(), more));
    }
    return TlsClientContext(std::move(context));
}

Result<TlsServerContext> TlsServerContext::make(const std::vector<Certificate>& chain,
                                                const PrivateKey& key) {
    CASEMATE_TRY(Context context, make_for(chain, KeyAccess::handle(key)));
    return TlsServerContext(std::move(context));
}

Result<TlsServerContext> TlsServerContext::from_pem(ByteView chain, ByteView key) {
    CASEMATE_TRY(const std::vector<Certificate> certificates, Certificate::all_from_pem(chain));
    CASEMATE_TRY(const EvpKey decoded, read_pem_key(key));
    CASEMATE_TRY(Context context, make_for(certificates, decoded.get()));
    return TlsServerContext(std::move(context));
}

}  // namespace casemate::crypto
