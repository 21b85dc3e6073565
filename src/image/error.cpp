#include "image/error.hpp"

namespace casemate::image {

std::string_view describe(ImageErrc code) {
    switch (code) {
        case ImageErrc::bad_reference:
            return "not an image reference";
        case ImageErrc::not_found:
            return "not in the image";
        case ImageErrc::malformed:
            return "malformed image";
        case ImageErrc::truncated:
            return "truncated image";
        case ImageErrc::wrong_digest:
            return "corrupt image";
        case ImageErrc::unsupported:
            return "unsupported image";
        case ImageErrc::bad_name:
            return "file name refused";
        case ImageErrc::bad_link:
            return "hard link refused";
        case ImageErrc::too_large:
            return "image too large";
        case ImageErrc::no_command:
            return "no command";
        case ImageErrc::changed:
            return "image changed while it was read";
        case ImageErrc::credentials:
            return "credentials can't be read";
        case ImageErrc::no_such_image:
            return "no such image";
        case ImageErrc::unauthorized:
            return "access refused";
        case ImageErrc::registry:
            return "registry failure";
        case ImageErrc::daemon:
            return "Docker daemon failure";
        case ImageErrc::build:
            return "image not built";
    }
    return "image error";
}

}  // namespace casemate::image
