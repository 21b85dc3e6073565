// Properties: an index or manifest that is accepted, written again from what was understood, is
// understood the same; an accepted configuration has no text with NUL in it.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdlib>

#include "image/documents.hpp"

namespace {

using namespace casemate;
using namespace casemate::image;
namespace json = boost::json;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

json::object write(const Descriptor& descriptor) {
    json::object object;
    object["mediaType"] = descriptor.media_type;
    object["digest"] = digest_text(descriptor.digest);
    object["size"] = descriptor.size;
    object["platform"] = {{"os", descriptor.operating_system},
                          {"architecture", descriptor.architecture},
                          {"variant", descriptor.variant}};
    object["annotations"] = {{"org.opencontainers.image.ref.name", descriptor.tag}};
    return object;
}

json::array write(const std::vector<Descriptor>& descriptors) {
    json::array array;
    for (const Descriptor& descriptor : descriptors) {
        array.push_back(write(descriptor));
    }
    return array;
}

std::string text_of(const json::object& object) {
    return json::serialize(object);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    if (const auto index = parse_index(input); index) {
        json::object object{{"schemaVersion", 2}};
        object["manifests"] = write(*index);
        const auto again = parse_index(as_bytes(text_of(object)));
        require(again && *again == *index);
    }
    if (const auto manifest = parse_manifest(input); manifest) {
        json::object object{{"schemaVersion", 2}};
        object["config"] = write(manifest->config);
        object["layers"] = write(manifest->layers);
        const auto again = parse_manifest(as_bytes(text_of(object)));
        require(again && *again == *manifest);
    }
    if (const auto config = parse_config(input); config) {
        const auto clean = [](const std::string& text) {
            return text.find('\0') == std::string::npos;
        };
        const std::vector<std::string> arguments = config->arguments();
        require(std::all_of(arguments.begin(), arguments.end(), clean));
        require(std::all_of(config->environment.begin(), config->environment.end(), clean));
        require(clean(config->user) && clean(config->working_directory));
        require(config->json == as_text(input));
    }
    return 0;
}
