// The folder of a Dockerfile as a tar archive (pax), which is made while it is read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "http/body.hpp"
#include "image/error.hpp"

namespace casemate::image {

// build_context reads a folder's names at once and its files when the archive gets there. What
// .dockerignore excludes is left out, but for the Dockerfile and .dockerignore; so are sockets and
// devices. Everything belongs to root, as `docker build` has it. The source fails with ImageErrc
// changed where a file is no longer what it was, and Errno where it can't be read. Errors:
// ImageErrc not_found where there is no Dockerfile, malformed and too_large for .dockerignore and
// for more than a million files; Errno.
[[nodiscard]] Result<http::BodySource> build_context(const std::string& folder);

}  // namespace casemate::image
