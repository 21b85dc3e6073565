#include "image/image.hpp"

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <unordered_set>

#include "image/container.hpp"
#include "image/directory.hpp"
#include "image/layer.hpp"
#include "image/named.hpp"
#include "image/packed.hpp"
#include "image/spool.hpp"

namespace casemate::image {

namespace {

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

// LayerMerger reads layers in several threads and puts them into the tree one after the other.
class LayerMerger {
public:
    LayerMerger(const ImageOptions& options, Image& image)
        : options_(&options), image_(&image), budget_(options.limits) {}

    // first_spool is for the first thread; the others get their own beside it.
    Result<> merge(std::vector<PackedLayer> layers, Spool first_spool) {
        layers_ = std::move(layers);
        for (PackedLayer& layer : layers_) {
            CASEMATE_TRY(const Compression compression, detect(layer.blob));
            compressions_.push_back(compression);
            total_ += layer.blob.size;
            if (compression == Compression::none && !layer.packed) {
                layer.packed = layer.unpacked;
            }
        }
        std::vector<Spool> spools;
        spools.push_back(std::move(first_spool));
        const std::size_t wanted = std::clamp<std::size_t>(
            std::thread::hardware_concurrency(), 1,
            std::max<std::size_t>(std::min(kMaxThreads, layers_.size()), 1));
        while (spools.size() < wanted) {
            CASEMATE_TRY(Spool spool, Spool::create(options_->spool_directory));
            spools.push_back(std::move(spool));
        }
        run(spools);
        CASEMATE_CHECK(std::move(outcome_));
        note_attributes(with_attributes_, with_capabilities_, *image_);
        return {};
    }

private:
    static constexpr std::size_t kMaxThreads = 4;

    void run(std::vector<Spool>& spools) {
        std::vector<std::thread> threads;
        for (std::size_t i = 1; i < spools.size(); ++i) {
            try {
                threads.emplace_back([this, &spool = spools[i]] { work(spool); });
            } catch (const std::system_error&) {
                // No more threads for this user: those there are do it all.
                break;
            }
        }
        work(spools.front());
        for (std::thread& thread : threads) {
            thread.join();
        }
    }

    // work takes one layer after the other until there are none, or one has failed.
    void work(Spool& spool) {
        std::uint64_t done = 0;
        LayerReader reader(budget_, spool, [&](std::uint64_t now) {
            report(now - done);
            done = now;
        });
        while (true) {
            const std::size_t number = next_.fetch_add(1);
            if (number >= layers_.size()) {
                break;
            }
            done = 0;
            auto layer = read(number, reader, spool);
            report(layers_[number].blob.size - done);
            if (!apply(number, std::move(layer))) {
                break;
            }
        }
        const std::lock_guard lock(mutex_);
        with_attributes_ += reader.with_attributes();
        with_capabilities_ += reader.with_capabilities();
    }

    // Both digests of a layer are checked before anything of it is used. The packed one comes
    // first: it is the better explanation of whatever else went wrong.
    Result<Layer> read(std::size_t number, LayerReader& reader, Spool& spool) {
        const PackedLayer& packed = layers_[number];
        if (packed.packed) {
            CASEMATE_CHECK(verify(packed.blob, *packed.packed, packed.name));
        }
        // What was not compressed is not hashed twice.
        const Compression compression = compressions_[number];
        crypto::Digest256 digest = packed.packed.value_or(packed.unpacked);
        auto layer = reader.read(packed.blob, compression,
                                 compression != Compression::none ? &digest : nullptr);
        if (!layer) {
            return std::move(layer).error().while_doing(packed.name);
        }
        CASEMATE_CHECK(spool.flush());
        if (digest != packed.unpacked) {
            return Error(ImageErrc::wrong_digest,
                         "expected " + printable(packed.name) + " to unpack to the digest sha256:" +
                             to_hex(packed.unpacked) + ", found sha256:" + to_hex(digest));
        }
        return layer;
    }

    // apply waits until the layers below are in the tree. It tells whether to go on. Of several
    // layers that can't be used the lowest is told.
    bool apply(std::size_t number, Result<Layer> layer) {
        std::unique_lock lock(mutex_);
        turn_changed_.wait(lock, [&] { return turn_ == number || !outcome_; });
        if (!outcome_) {
            return false;
        }
        // Nobody else has this turn, so nobody else touches the tree.
        lock.unlock();
        Result<> applied;
        if (!layer) {
            applied = std::move(layer).error();
        } else if (auto merged = apply_layer(std::move(*layer), image_->tree); !merged) {
            applied = std::move(merged).error().while_doing(layers_[number].name);
        }
        lock.lock();
        outcome_ = std::move(applied);
        ++turn_;
        turn_changed_.notify_all();
        return outcome_.ok();
    }

    void report(std::uint64_t more) {
        if (options_->progress) {
            const std::lock_guard lock(progress_mutex_);
            done_ += more;
            options_->progress("layers", done_, total_);
        }
    }

    const ImageOptions* options_;
    Image* image_;
    LayerBudget budget_;
    std::vector<PackedLayer> layers_;
    std::vector<Compression> compressions_;
    std::uint64_t total_ = 0;
    std::atomic<std::size_t> next_ = 0;

    std::mutex progress_mutex_;
    std::uint64_t done_ = 0;

    std::mutex mutex_;
    std::condition_variable turn_changed_;
    // turn_: the layer that may be put into the tree now.
    std::size_t turn_ = 0;
    Result<> outcome_;
    std::uint64_t with_attributes_ = 0;
    std::uint64_t with_capabilities_ = 0;
};

// find_in_file takes an image from a container that is there.
Result<PackedImage> find_in_file(const ImageReference& reference, const ImageOptions& options,
                                 Spool& spool) {
    CASEMATE_TRY(const auto container, Container::open(reference.path, spool, options.limits));
    return reference.kind == ReferenceKind::oci
               ? find_oci_image(*container, reference.tag, options.architecture)
               : find_docker_image(*container, options.architecture);
}

Result<PackedImage> find_packed(const ImageReference& reference, const ImageOptions& options,
                                Spool& spool, Image& image) {
    switch (reference.kind) {
        case ReferenceKind::registry:
        case ReferenceKind::docker_daemon:
        case ReferenceKind::named:
            return find_named(reference, options, spool, image);
        case ReferenceKind::oci:
        case ReferenceKind::docker_archive:
        case ReferenceKind::directory:
            break;
    }
    return find_in_file(reference, options, spool);
}

Result<> open_packed(const ImageReference& reference, const ImageOptions& options, Image& image) {
    CASEMATE_TRY(Spool spool, Spool::create(options.spool_directory));
    CASEMATE_TRY(PackedImage packed, find_packed(reference, options, spool, image));
    image.config = std::move(packed.config);
    return LayerMerger(options, image).merge(std::move(packed.layers), std::move(spool));
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
            bytes += inode->size;
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
