// The seal of a file of root keys: its beginning, which tells how the rest is protected, and the
// key of that. For vault.cpp alone.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "kms/vault/vault.hpp"

namespace casemate::kms {

// Seal: header is the file's beginning, up to the nonce; key is what seals the rest, empty when
// nothing does.
struct Seal {
    Bytes header;
    SecretBytes key;
};

// make_seal makes that of a new file. Errors: VaultErrc wrong_passphrase for an empty one,
// wrong_protection for a token's key that is none of RSA, token_failure, unavailable.
[[nodiscard]] Result<Seal> make_seal(const RootKeyProtection& protection);

// read_seal_header takes the header from the beginning of a file, path. Errors: VaultErrc damaged.
[[nodiscard]] Result<ByteView> read_seal_header(ByteReader& reader, const std::string& path);

// open_seal gives the key of a header that read_seal_header gave. Errors: VaultErrc damaged,
// wrong_passphrase for an empty one, wrong_protection when the file is protected otherwise or by
// another key of a token, token_failure, unavailable. That a passphrase is wrong is seen when its
// key opens nothing.
[[nodiscard]] Result<Seal> open_seal(ByteView header, const RootKeyProtection& protection,
                                     const std::string& path);

}  // namespace casemate::kms
