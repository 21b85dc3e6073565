// Credentials for registries, from where `docker login` and `podman login` put them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "image/error.hpp"
#include "image/registry/answers.hpp"

namespace casemate::image {

// credential_files lists the files that are looked at, the first one first: $REGISTRY_AUTH_FILE,
// Docker's config.json (in $DOCKER_CONFIG or ~/.docker), and Podman's auth.json (in
// $XDG_RUNTIME_DIR/containers or /run/containers/UID, then in $XDG_CONFIG_HOME/containers or
// ~/.config/containers). What an unset variable would be needed for is left out.
[[nodiscard]] std::vector<std::string> credential_files();

// credentials_for gives the credentials for a registry ("docker.io", "localhost:5000") or for an
// image's name in it ("quay.io/team/app", for which Podman may have credentials of its own): those
// of the first file that has some, in the file itself or through its credential helper
// (docker-credential-NAME, found in PATH). Nothing where nobody knows any. Errors: ImageErrc
// malformed for a file or a helper's answer, credentials for a helper that is not there or fails;
// Errno when a file can't be read. No sentence has a secret in it.
[[nodiscard]] Result<std::optional<Credentials>> credentials_for(std::string_view name);

// kHelperTime: how long a credential helper may take; it may ask its user something.
inline constexpr std::chrono::seconds kHelperTime{60};

// ask_helper runs `docker-credential-NAME get` for a server; nothing where it knows none.
[[nodiscard]] Result<std::optional<Credentials>> ask_helper(
    const std::string& name, const std::string& server,
    std::chrono::milliseconds time_limit = kHelperTime);

}  // namespace casemate::image
