// Replays a corpus: each file of the folders and files given goes through the target once. A target
// shows a broken property by aborting.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "base/file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::uint64_t kMaxSeed = 64ULL << 20U;

int replay(const std::filesystem::path& path) {
    const auto bytes = casemate::read_file(path.string(), kMaxSeed);
    if (!bytes) {
        std::fprintf(stderr, "%s\n", bytes.error().message().c_str());
        return -1;
    }
    LLVMFuzzerTestOneInput(bytes->data(), bytes->size());
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t count = 0;
    const std::vector<std::filesystem::path> roots(argv + 1, argv + argc);
    for (const auto& root : roots) {
        if (!std::filesystem::is_directory(root)) {
            count += replay(root) == 0 ? 1U : 0U;
            continue;
        }
        for (const auto& entry : std::filesystem::directory_iterator(root)) {
            if (replay(entry.path()) != 0) {
                return 1;
            }
            ++count;
        }
    }
    std::printf("replayed %zu inputs\n", count);
    // A corpus that is missing proves nothing.
    return count > 0 ? 0 : 1;
}
