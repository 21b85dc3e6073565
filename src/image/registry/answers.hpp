// The JSON that comes from others when an image is pulled: files with credentials, credential
// helpers, token servers and registries' errors. What holds secrets is cleansed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"
#include "image/error.hpp"

namespace casemate::image {

// kMaxAnswer: the largest of these texts that is read, in bytes.
inline constexpr std::size_t kMaxAnswer = std::size_t{1} << 20U;

// Credentials for one registry: a name and a password, or an identity token (an OAuth refresh
// token) in place of the password.
struct Credentials {
    std::string user;
    SecretBytes password;
    SecretBytes identity_token;
};

// AuthFile: Docker's config.json or Podman's auth.json, as far as it is about credentials.
struct AuthFile {
    // entries by registry, or by registry and the beginning of the repository's name. An entry that
    // has nothing in it is not here.
    std::map<std::string, Credentials> entries;
    // helpers by registry, and the one for all others: the NAME of docker-credential-NAME.
    std::map<std::string, std::string> helpers;
    std::string store;
};

// Token: what a token server gives (distribution-spec's token authentication).
struct Token {
    SecretBytes text;
    std::uint64_t seconds = 0;
};

// credential_key gives the form in which registries are compared: without scheme and API version;
// "docker.io" for all the names of Docker's own registry.
[[nodiscard]] std::string credential_key(std::string_view text);

// parse_auth_file. Errors: ImageErrc malformed, too_large; nothing of the text is in the sentence.
[[nodiscard]] Result<AuthFile> parse_auth_file(ByteView json);

// parse_helper_answer reads what `docker-credential-NAME get` prints. Errors: as above.
[[nodiscard]] Result<Credentials> parse_helper_answer(ByteView json);

// parse_token: "token" or "access_token", of characters that a header can have, valid for
// "expires_in" seconds, or 60, as the specification says. Errors: as above.
[[nodiscard]] Result<Token> parse_token(ByteView json);

// error_text gives the first of a registry's errors as one printable line, such as
// "MANIFEST_UNKNOWN: manifest unknown"; empty for anything else.
[[nodiscard]] std::string error_text(ByteView json);

// declared_media_type gives a document's own "mediaType", and "1" for a manifest of schema 1; empty
// where it says neither.
[[nodiscard]] std::string declared_media_type(ByteView json);

// registry_auth gives the value of the Docker API's header X-Registry-Auth.
[[nodiscard]] SecretBytes registry_auth(const Credentials& credentials,
                                        const std::string& registry);

}  // namespace casemate::image
