// A path, NUL, and a .dockerignore. Properties: what comes last decides; without exceptions, all of
// an ignored folder is ignored; a path whose characters are all escaped matches itself.
#include <cstdlib>

#include "image/daemon/ignore.hpp"

namespace {

using namespace casemate;
using namespace casemate::image;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

bool is_path(std::string_view path) {
    if (path.empty() || path.front() == '/' || path.back() == '/' || path.size() > 1000) {
        return false;
    }
    const std::string whole = "/" + std::string(path) + "/";
    for (const char* part : {"//", "/./", "/../"}) {
        if (whole.find(part) != std::string::npos) {
            return false;
        }
    }
    return path.find_first_of(" \t\r\n\v\f") == std::string_view::npos;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t end = input.find('\0');
    if (end == std::string_view::npos || !is_path(input.substr(0, end)) || size > 4096) {
        return 0;
    }
    const std::string path(input.substr(0, end));
    const std::string text(input.substr(end + 1));
    const auto rules = IgnoreRules::parse(text);
    if (!rules) {
        return 0;
    }
    if (rules->ignores(path) && !rules->has_exceptions()) {
        require(rules->ignores(path + "/x"));
    }
    const auto all = IgnoreRules::parse(text + "\n**");
    const auto none = IgnoreRules::parse(text + "\n!**");
    if (all && none) {
        require(all->ignores(path) && !none->ignores(path));
    }
    std::string escaped;
    for (const char c : path) {
        escaped += c == '/' ? "/" : std::string("\\") + c;
    }
    const auto same = IgnoreRules::parse(escaped);
    require(same && same->ignores(path) && !same->ignores(path + "x"));
    return 0;
}
