// Containers: the files that an image is packed in, in a directory or in a tar file, by name.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "image/content.hpp"
#include "image/error.hpp"
#include "image/limits.hpp"
#include "image/spool.hpp"

namespace casemate::image {

class Container {
public:
    Container() = default;
    Container(const Container&) = delete;
    Container& operator=(const Container&) = delete;
    virtual ~Container() = default;

    // open takes a directory, or a tar file, which is not unpacked: an index of it is made. A
    // compressed one is decompressed into the spool as a whole. Errors: Errno; ImageErrc malformed,
    // truncated, bad_name, too_large for the tar file.
    [[nodiscard]] static Result<std::unique_ptr<Container>> open(const std::string& path,
                                                                 Spool& spool,
                                                                 const ImageLimits& limits);
    // open_archive does that with a tar file that is open; what names it in errors.
    [[nodiscard]] static Result<std::unique_ptr<Container>> open_archive(Content archive,
                                                                         const std::string& what,
                                                                         Spool& spool,
                                                                         const ImageLimits& limits);

    // find gives a regular file by its relative path; links within a tar file are followed. Errors:
    // ImageErrc not_found, bad_link (a loop); Errno.
    [[nodiscard]] virtual Result<Content> find(const std::string& name) = 0;
};

}  // namespace casemate::image
