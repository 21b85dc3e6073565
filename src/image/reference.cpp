#include "image/reference.hpp"

namespace casemate::image {

namespace {

constexpr std::string_view kForms =
    "oci:DIRECTORY[:TAG], oci:FILE.tar[:TAG], docker-archive:FILE or dir:DIRECTORY "
    "(images of a Docker daemon or of a registry can't be read yet: write one of these with "
    "'docker save -o FILE IMAGE', 'buildah push IMAGE oci:DIRECTORY' or "
    "'skopeo copy docker://IMAGE oci:DIRECTORY')";

Error refuse(std::string_view found) {
    return {ImageErrc::bad_reference,
            "expected " + std::string(kForms) + ", found '" + std::string(found) + "'"};
}

// remove_prefix takes prefix off text, if text begins with it.
bool remove_prefix(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) {
        return false;
    }
    text.remove_prefix(prefix.size());
    return true;
}

}  // namespace

Result<ImageReference> ImageReference::parse(std::string_view text) {
    ImageReference reference;
    std::string_view rest = text;
    if (remove_prefix(rest, "oci:") || remove_prefix(rest, "oci-archive:")) {
        reference.kind = ReferenceKind::oci;
        const std::size_t colon = rest.rfind(':');
        if (colon != std::string_view::npos && rest.find('/', colon) == std::string_view::npos) {
            reference.tag = rest.substr(colon + 1);
            rest = rest.substr(0, colon);
            if (reference.tag.empty()) {
                return refuse(text);
            }
        }
    } else if (remove_prefix(rest, "docker-archive:")) {
        reference.kind = ReferenceKind::docker_archive;
    } else if (remove_prefix(rest, "dir:")) {
        reference.kind = ReferenceKind::directory;
    } else {
        return refuse(text);
    }
    if (rest.empty() || text.find('\0') != std::string_view::npos) {
        return refuse(text);
    }
    reference.path = rest;
    return reference;
}

}  // namespace casemate::image
