// The part of an image's configuration that an enclave needs.
#pragma once

#include <string>
#include <vector>

namespace casemate::image {

// ImageConfig: OCI image-spec config.md, "config". No text has NUL bytes in it.
struct ImageConfig {
    // environment: "NAME=value" each.
    std::vector<std::string> environment;
    std::vector<std::string> entrypoint;
    std::vector<std::string> command;
    // working_directory and user are empty when the image does not say.
    std::string working_directory;
    std::string user;
    std::string architecture;
    std::string operating_system;
    // layer_digests: "sha256:…" of each unpacked layer (rootfs.diff_ids).
    std::vector<std::string> layer_digests;
    // json: the whole configuration as it was found; empty for a plain root directory.
    std::string json;

    // arguments: entrypoint, then command.
    [[nodiscard]] std::vector<std::string> arguments() const;
};

}  // namespace casemate::image
