// Errors of the image room: why a container image can't become ramdisks.
#pragma once

#include <cstdint>
#include <string_view>

namespace casemate::image {

enum class ImageErrc : std::uint8_t {
    // The text that names the image has none of the forms that exist.
    bad_reference,
    // A file, tag, platform or blob that the image should have is not there.
    not_found,
    // JSON, tar or a compressed stream against its format.
    malformed,
    // A file ends before something it announces.
    truncated,
    // A blob is not what its digest or size says.
    wrong_digest,
    // A media type, tar entry or platform that can't be used here.
    unsupported,
    // A path that is absolute, leaves the root or that Linux can't hold, or that leads through a
    // file or a loop of symlinks.
    bad_name,
    // A hard link to something that is not a file of the image.
    bad_link,
    // Beyond a limit: of the ramdisk's format or of ImageLimits.
    too_large,
    // The image says nowhere what to run.
    no_command,
    // A file of a root directory changed while it was read.
    changed,
    // A file with credentials for registries, or a credential helper, does not work.
    credentials,
    // A registry has no image of that name, or not all of it.
    no_such_image,
    // A registry wants other credentials, or some.
    unauthorized,
    // A registry can't be reached, is not trusted, or breaks its protocol.
    registry,
    // A Docker daemon can't be reached, refuses something, or breaks its protocol.
    daemon,
    // An image can't be built of a folder.
    build,
};

[[nodiscard]] std::string_view describe(ImageErrc code);

}  // namespace casemate::image
