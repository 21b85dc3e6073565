#include "image/named.hpp"

#include "image/registry/pull.hpp"
#include "image/registry/registry_reference.hpp"

namespace casemate::image {

namespace {

Result<PackedImage> find_in_registry(const std::string& name, const ImageOptions& options,
                                     Spool& spool) {
    CASEMATE_TRY(const RegistryReference reference, RegistryReference::parse(name));
    if (options.say) {
        options.say("Pulling " + reference.text() + " from its registry...");
    }
    return pull_image(reference, spool, options);
}

}  // namespace

Result<PackedImage> find_named(const ImageReference& reference, const ImageOptions& options,
                               Spool& spool, Image& /*image*/) {
    return find_in_registry(reference.path, options, spool);
}

}  // namespace casemate::image
