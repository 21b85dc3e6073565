// What the files of this room share of private keys' encodings (PKCS #8, RFC 5208). No other room
// includes this header.
#pragma once

#include <openssl/params.h>

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/key_access.hpp"

namespace casemate::crypto {

// Pkcs8Parts views a PrivateKeyInfo without attributes: the algorithm with its tag, and what its
// OCTET STRING holds.
struct Pkcs8Parts {
    ByteView algorithm;
    ByteView key;
};

// split_pkcs8 finds the parts of DER with nothing after it. OpenSSL's own decoder tries one format
// after another, and takes ten times as long as a signature; the form that this room writes is
// read without it.
[[nodiscard]] std::optional<Pkcs8Parts> split_pkcs8(ByteView der);

// make_spki writes a SubjectPublicKeyInfo of an algorithm and a BIT STRING, both whole elements.
[[nodiscard]] Bytes make_spki(ByteView algorithm, ByteView bits);

// KeyNumbers: the numbers of a key on their way to OpenSSL, cleansed when they go.
class KeyNumbers {
public:
    // add takes a number that is not negative, big-endian.
    void add(const char* name, ByteView number);
    // add_text and add_octets take what is not secret.
    void add_text(const char* name, std::string text);
    void add_octets(const char* name, ByteView octets);
    // make makes a key with both halves of a type ("EC"); nothing where OpenSSL does not take them.
    [[nodiscard]] EvpKey make(const char* type);

private:
    std::deque<SecretBytes> numbers_;
    std::deque<std::string> texts_;
    std::vector<OSSL_PARAM> parameters_;
};

// read_pkcs8 decodes an unencrypted PrivateKeyInfo in DER, of any kind of key, with nothing after
// it. Errors: CryptoErrc bad_encoding.
[[nodiscard]] Result<EvpKey> read_pkcs8(ByteView der);

// read_pem_key decodes the first unencrypted private key in PEM, of any kind of key. Errors:
// CryptoErrc bad_encoding.
[[nodiscard]] Result<EvpKey> read_pem_key(ByteView pem);

// write_pkcs8 encodes a key that is in memory; nothing of it stays anywhere else.
[[nodiscard]] SecretBytes write_pkcs8(const EVP_PKEY* key);

}  // namespace casemate::crypto
