// Property: a manifest.json of docker-archive that is accepted, written again from what was
// understood, is understood the same, and each image names its configuration.
#include <boost/json.hpp>
#include <cstdlib>

#include "image/documents.hpp"

namespace {

namespace json = boost::json;

json::array write(const std::vector<std::string>& texts) {
    json::array array;
    for (const std::string& text : texts) {
        array.push_back(json::string(text));
    }
    return array;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace casemate;
    const auto images = image::parse_docker_manifest(ByteView(data, size));
    if (!images) {
        return 0;
    }
    json::array array;
    for (const image::DockerImage& one : *images) {
        json::object object;
        object["Config"] = one.config;
        object["RepoTags"] = write(one.tags);
        object["Layers"] = write(one.layers);
        array.push_back(object);
        if (one.config.empty()) {
            std::abort();
        }
    }
    const auto again = image::parse_docker_manifest(as_bytes(json::serialize(array)));
    if (!again || *again != *images) {
        std::abort();
    }
    return 0;
}
