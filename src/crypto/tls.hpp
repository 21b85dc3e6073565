// TLS (RFC 8446, RFC 5246): certificates of a service's own authority, and what a server needs.
//
// TlsServerContext and TlsClientContext are made of libssl: who uses them links OpenSSL::SSL beside
// this room. The certificates need libcrypto alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/certificate.hpp"
#include "crypto/error.hpp"
#include "crypto/issue.hpp"
#include "crypto/key.hpp"

struct ssl_ctx_st;

namespace casemate::crypto {

// TlsIdentity: a key and the certificate for it.
struct TlsIdentity {
    PrivateKey key;
    Certificate certificate;
};

// make_tls_authority makes a key on P-384 and a certificate for it that it signed itself: a CA that
// issues servers' certificates only (path length 0, key identifier, key usage keyCertSign and
// cRLSign), with a random serial number. Errors: issue's, PrivateKey::generate's.
[[nodiscard]] Result<TlsIdentity> make_tls_authority(const Name& subject, Seconds not_before,
                                                     Seconds not_after);

// ServerCertificate: what a server's certificate says.
struct ServerCertificate {
    // curve is P-256 or P-384.
    Curve curve = Curve::p256;
    Name subject;
    // names: at least one; what a client may call the server.
    std::vector<AlternativeName> names;
    Seconds not_before;
    Seconds not_after;
};

// make_tls_server makes a key and a certificate for it, signed by the authority: no CA, for digital
// signatures and TLS servers, with a random serial number. Errors: CryptoErrc out_of_range for
// another curve and for no names; issue's, PrivateKey::generate's.
[[nodiscard]] Result<TlsIdentity> make_tls_server(const ServerCertificate& server,
                                                  const TlsIdentity& authority);

// TlsServerContext: a certificate with its key and the rules of all connections of a server: TLS
// 1.2 or 1.3; only ephemeral elliptic curve Diffie-Hellman with AES-GCM or ChaCha20-Poly1305; no
// compression, no renegotiation, and no resumption, so that every connection's keys are fresh.
// Cheap to copy (shared, immutable) and safe to use from several threads.
class TlsServerContext {
public:
    // make takes the server's certificate first, then those above it, which clients are sent too.
    // The key must be in memory or in a token, and the first certificate's own. Errors: CryptoErrc
    // bad_encoding for an empty chain, and where the key is another; library_failure.
    [[nodiscard]] static Result<TlsServerContext> make(const std::vector<Certificate>& chain,
                                                       const PrivateKey& key);
    // from_pem does that for a certificate that somebody brought: the chain in PEM and an
    // unencrypted private key in PEM, on a curve or RSA of 2048 bits or more. Errors: CryptoErrc
    // bad_encoding, library_failure.
    [[nodiscard]] static Result<TlsServerContext> from_pem(ByteView chain, ByteView key);

    // native_handle is OpenSSL's SSL_CTX, for the http room alone, which gives it to its own TLS
    // streams; it stays this object's (take a reference of your own where it must live longer).
    [[nodiscard]] ssl_ctx_st* native_handle() const { return context_.get(); }

private:
    explicit TlsServerContext(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}

    std::shared_ptr<ssl_ctx_st> context_;
};

// TlsClientContext: whom a client trusts, and the same rules as TlsServerContext's. Which host the
// certificate must be for is each connection's own. Cheap to copy (shared, immutable) and safe to
// use from several threads.
class TlsClientContext {
public:
    // from_pem takes the certificates of the authorities in PEM, at least one. No certificate of
    // the system is trusted. Errors: CryptoErrc bad_encoding.
    [[nodiscard]] static Result<TlsClientContext> from_pem(ByteView authorities);
    // with_identity does that, and shows a server that asks a certificate: its chain and its
    // unencrypted private key, both in PEM. Errors: as TlsServerContext::from_pem.
    [[nodiscard]] static Result<TlsClientContext> with_identity(ByteView authorities,
                                                                ByteView chain, ByteView key);
    // with_system_authorities trusts those of the system as well, which OpenSSL finds
    // (SSL_CERT_FILE and SSL_CERT_DIR change where); more may be empty. Errors: CryptoErrc
    // bad_encoding.
    [[nodiscard]] static Result<TlsClientContext> with_system_authorities(ByteView more);

    // native_handle: as TlsServerContext's.
    [[nodiscard]] ssl_ctx_st* native_handle() const { return context_.get(); }

private:
    explicit TlsClientContext(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}

    std::shared_ptr<ssl_ctx_st> context_;
};

}  // namespace casemate::crypto
