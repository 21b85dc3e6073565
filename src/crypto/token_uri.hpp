// URIs of PKCS #11 objects (RFC 7512), as far as a private key needs them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "crypto/error.hpp"

namespace casemate::crypto {

// TokenUri: a URI in its parts.
struct TokenUri {
    // object says which key of which token: the URI without its query, so without any PIN. Its
    // attributes are among manufacturer, model, serial, token, object, id and type=private.
    std::string object;
    // pin, from pin-value or from the file of pin-source; nothing when the URI has neither.
    std::optional<SecretBytes> pin;
    // module is the file of the PKCS #11 module (module-path); empty when the URI names none.
    std::string module;
};

// parse_token_uri takes a URI apart and reads the PIN's file (file:/path, file:///path or /path;
// its first line), which others than its owner and group must not be able to read. Refused is every
// attribute that is not known here: ignored, it could lead to another key than the one meant.
// Errors: CryptoErrc token_failure, never with the PIN in it.
[[nodiscard]] Result<TokenUri> parse_token_uri(std::string_view uri);

}  // namespace casemate::crypto
