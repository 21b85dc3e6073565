#include "image/image.hpp"

#include <fcntl.h>

#include <future>
#include <unordered_set>

#include "image/container.hpp"
#include "image/directory.hpp"
#include "image/layer.hpp"
#include "image/packed.hpp"
#include "image/spool.hpp"

namespace casemate::image {

namespace {

// verify_layers checks every digest of a layer as it is packed.
Result<> verify_layers(const std::vector<PackedLayer>& layers) {
    for (const PackedLayer& layer : layers) {
        if (layer.packed) {
            CASEMATE_CHECK(verify(layer.blob, *layer.packed, layer.name));
        }
    }
    return {};
}

class LayerMerger {
public:
    LayerMerger(const ImageOptions& options, Spool& spool, Image& image)
        : options_(&options),
          spool_(&spool),
          image_(&image),
          reader_(options.limits, spool, [this](std::uint64_t done) { report(done); }) {}

    Result<> merge(std::vector<PackedLayer> layers) {
        std::vector<Compression> compressions;
        for (PackedLayer& layer : layers) {
            CASEMATE_TRY(const Compression compression, detect(layer.blob));
            compressions.push_back(compression);
            if (compression == Compression::none && !layer.packed) {
                layer.packed = layer.unpacked;
            }
        }
        // Digests are computed while the layers are read; nothing read is used before both are
        // done, and a wrong digest is the better explanation of what else went wrong.
        auto verified = std::async(std::launch::async, [&] { return verify_layers(layers); });
        Result<> merged;
        for (std::size_t i = 0; i < layers.size() && merged; ++i) {
            step_ = "layer " + std::to_string(i + 1) + " of " + std::to_string(layers.size());
            total_ = layers[i].blob.size;
            report(0);
            merged = merge_one(layers[i], compressions[i]);
            report(total_);
        }
        CASEMATE_CHECK(verified.get());
        CASEMATE_CHECK(merged);
        CASEMATE_CHECK(spool_->flush());
        add_notes();
        return {};
    }

private:
    Result<> merge_one(const PackedLayer& layer, Compression compression) {
        // What was not compressed is verified as it is packed, and not hashed twice.
        const bool hash = compression != Compression::none;
        crypto::Digest256 digest = layer.packed.value_or(layer.unpacked);
        auto changes = reader_.read(layer.blob, compression, hash ? &digest : nullptr);
        if (!changes) {
            return std::move(changes).error().while_doing(layer.name);
        }
        if (digest != layer.unpacked) {
            return Error(ImageErrc::wrong_digest,
                         "expected " + printable(layer.name) + " to unpack to the digest sha256:" +
                             to_hex(layer.unpacked) + ", found sha256:" + to_hex(digest));
        }
        auto applied = apply_layer(*changes, image_->tree);
        if (!applied) {
            return std::move(applied).error().while_doing(layer.name);
        }
        return {};
    }

    void report(std::uint64_t done) {
        if (options_->progress) {
            options_->progress(step_, done, total_);
        }
    }

    void add_notes();

    const ImageOptions* options_;
    Spool* spool_;
    Image* image_;
    LayerReader reader_;
    std::string step_;
    std::uint64_t total_ = 0;
};

void note_attributes(std::uint64_t all, std::uint64_t capabilities, Image& image) {
    if (all != 0) {
        image.notes.push_back(std::to_string(all) +
                              " files or directories have extended "
                              "attributes, which a ramdisk can't hold: left out" +
                              (capabilities == 0 ? std::string()
                                                 : " (" + std::to_string(capabilities) +
                                                       " of them have file capabilities)"));
    }
}

void LayerMerger::add_notes() {
    note_attributes(reader_.with_attributes(), reader_.with_capabilities(), *image_);
}

Result<> open_packed(const ImageReference& reference, const ImageOptions& options, Image& image) {
    CASEMATE_TRY(Spool spool, Spool::create(options.spool_directory));
    CASEMATE_TRY(const auto container, Container::open(reference.path, spool, options.limits));
    CASEMATE_TRY(PackedImage packed,
                 reference.kind == ReferenceKind::oci
                     ? find_oci_image(*container, reference.tag, options.architecture)
                     : find_docker_image(*container, options.architecture));
    image.config = std::move(packed.config);
    return LayerMerger(options, spool, image).merge(std::move(packed.layers));
}

Result<> open_directory(const ImageReference& reference, const ImageOptions& options,
                        Image& image) {
    if (!options.command) {
        return Error(ImageErrc::no_command,
                     "expected a command for the root directory " + reference.path +
                         ", as it has no configuration that names one; found none");
    }
    CASEMATE_TRY(UniqueFd root, open_file(reference.path, O_RDONLY | O_DIRECTORY));
    image.root = std::make_shared<const UniqueFd>(std::move(root));
    CASEMATE_TRY(const DirectoryScan scan,
                 scan_directory(image.root->get(), options.limits, image.tree));
    note_attributes(scan.with_attributes, scan.with_capabilities, image);
    if (scan.sockets != 0) {
        image.notes.push_back(std::to_string(scan.sockets) + " sockets were left out");
    }
    return {};
}

std::uint64_t content_bytes_of(const FileTree& tree) {
    std::unordered_set<const Inode*> linked;
    std::uint64_t bytes = 0;
    for (const auto& [path, inode] : tree.entries()) {
        if (inode.use_count() == 1 || linked.insert(inode.get()).second) {
            bytes += inode->content.size;
        }
    }
    return bytes;
}

}  // namespace

Result<Image> open_image(const ImageReference& reference, const ImageOptions& options) {
    Image image;
    image.tree = FileTree(options.limits.entries, options.limits.name_bytes);
    auto opened = reference.kind == ReferenceKind::directory
                      ? open_directory(reference, options, image)
                      : open_packed(reference, options, image);
    if (!opened) {
        return std::move(opened).error();
    }
    if (options.command) {
        image.config.entrypoint.clear();
        image.config.command = *options.command;
    }
    if (image.config.arguments().empty()) {
        image.notes.emplace_back(
            "the image has neither ENTRYPOINT nor CMD: the enclave's init chooses what to run");
    }
    image.content_bytes = content_bytes_of(image.tree);
    return image;
}

}  // namespace casemate::image
