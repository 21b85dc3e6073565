#include "image/reference.hpp"

#include "image/registry/registry_reference.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

constexpr std::string_view kForms =
    "the NAME of an image, docker-daemon:NAME, docker://NAME, oci:DIRECTORY[:TAG], "
    "oci:FILE.tar[:TAG], docker-archive:FILE or dir:DIRECTORY";

Error refuse(std::string_view found, const std::string& why = "") {
    return {ImageErrc::bad_reference, "expected " + std::string(kForms) + ", found '" +
                                          printable(found) + "'" +
                                          (why.empty() ? "" : " (" + why + ")")};
}

// is_bare: neither a tag nor a digest follows the repository.
bool is_bare(std::string_view name) {
    return name.find('@') == std::string_view::npos &&
           name.find(':', name.rfind('/') + 1) == std::string_view::npos;
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
        reference.kind = remove_prefix(rest, "docker://")        ? ReferenceKind::registry
                         : remove_prefix(rest, "docker-daemon:") ? ReferenceKind::docker_daemon
                                                                 : ReferenceKind::named;
        if (const auto name = RegistryReference::parse(rest); !name) {
            return refuse(text, name.error().message());
        }
        reference.path = std::string(rest) + (is_bare(rest) ? ":latest" : "");
        return reference;
    }
    if (rest.empty() || text.find('\0') != std::string_view::npos) {
        return refuse(text);
    }
    reference.path = rest;
    return reference;
}

}  // namespace casemate::image
