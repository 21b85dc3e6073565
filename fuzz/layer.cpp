// Properties of a layer that is accepted, whatever is in it: every path of the tree is normal
// (relative, without "..") and its parents are directories; the ramdisk made of it can be read
// back, is in order, stays below rootfs/, and is the same each time.
#include <sys/stat.h>

#include <cstdlib>

#include "codec/cpio.hpp"
#include "image/forge.hpp"
#include "image/layer.hpp"
#include "image/ramdisk.hpp"

namespace {

using namespace casemate;
using namespace casemate::image;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

ImageLimits small_limits() {
    ImageLimits limits;
    limits.total_bytes = 1U << 20U;
    limits.entries = 1000;
    return limits;
}

Result<Layer> read_layer(ByteView bytes, Spool& spool) {
    LayerBudget budget(small_limits());
    LayerReader reader(budget, spool);
    const Content blob = forge::content_of(bytes);
    return reader.read(blob, forge::must(detect(blob)));
}

// make gives the ramdisk of a base and the input above it, or nothing when the input is refused.
std::optional<Bytes> make(ByteView input) {
    static Spool spool = forge::must(Spool::create(""));
    static const Bytes base = forge::Tar()
                                  .directory("d")
                                  .file("d/f", "1")
                                  .hard_link("d/g", "d/f")
                                  .symlink("s", "d")
                                  .end();
    if (spool.position() > 256U << 20U) {
        spool = forge::must(Spool::create(""));
    }
    Image image;
    image.tree = FileTree(small_limits().entries, small_limits().name_bytes);
    require(apply_layer(forge::must(read_layer(base, spool)), image.tree).ok());
    {
        auto layer = read_layer(input, spool);
        if (!layer || !apply_layer(std::move(*layer), image.tree)) {
            return std::nullopt;
        }
    }
    require(spool.flush().ok());
    for (const auto& [path, inode] : image.tree.entries()) {
        const auto normal = normal_path(path);
        require(normal && *normal == path && !path.empty());
        const std::size_t slash = path.rfind('/');
        if (slash != std::string::npos) {
            const auto parent = image.tree.entries().find(path.substr(0, slash));
            require(parent != image.tree.entries().end() &&
                    parent->second->kind == InodeKind::directory);
        }
    }
    Bytes out;
    const auto written = write_image_ramdisk(image, [&out](ByteView bytes) -> Result<> {
        out.insert(out.end(), bytes.begin(), bytes.end());
        return {};
    });
    require(written.ok());
    return out;
}

void check_ramdisk(const Bytes& ramdisk) {
    codec::CpioReader reader(ramdisk);
    std::string last;
    while (true) {
        const auto entry = reader.next();
        require(entry.ok());
        if (!entry->has_value()) {
            require(reader.rest().empty() && last == "workdir");
            return;
        }
        const std::string name((*entry)->name);
        require(last < name && (name.starts_with("rootfs") || name.find('/') == name.npos));
        require((*entry)->mtime == 0);
        last = name;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto ramdisk = make({data, size});
    if (ramdisk) {
        check_ramdisk(*ramdisk);
        require(make({data, size}) == ramdisk);
    }
    return 0;
}
