// Layers: tar archives that change a tree (OCI image-spec layer.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "crypto/digest.hpp"
#include "image/content.hpp"
#include "image/error.hpp"
#include "image/limits.hpp"
#include "image/spool.hpp"
#include "image/stream.hpp"
#include "image/tree.hpp"

namespace casemate::image {

// LayerChange puts an inode at a path or, without one, links the path to link_target.
struct LayerChange {
    std::string path;
    std::shared_ptr<const Inode> inode;
    std::unique_ptr<const std::string> link_target;
};

// Layer: what a layer changes. All paths are normal.
struct Layer {
    // removed and cleared are its whiteouts and opaque directories (empty for the root). They speak
    // of the layers below only, so they come before changes wherever they stand in the archive.
    // Symlinks in the parents of all paths are yet to be followed.
    std::vector<std::string> removed;
    std::vector<std::string> cleared;
    std::deque<LayerChange> changes;
    // files: what the inodes' contents are in.
    std::vector<std::shared_ptr<const UniqueFd>> files;
};

// LayerBudget is what is left of an image's limits while its layers are read, in several threads
// maybe. take takes what it can, or nothing.
class LayerBudget {
public:
    explicit LayerBudget(const ImageLimits& limits)
        : bytes_(limits.total_bytes), entries_(limits.entries), name_bytes_(limits.name_bytes) {}

    [[nodiscard]] bool take_bytes(std::uint64_t size) { return take(bytes_, size); }
    [[nodiscard]] bool take_entry() { return take(entries_, 1); }
    [[nodiscard]] bool take_names(std::uint64_t size) { return take(name_bytes_, size); }
    [[nodiscard]] std::uint64_t bytes_left() const { return bytes_; }

private:
    static bool take(std::atomic<std::uint64_t>& left, std::uint64_t size);

    std::atomic<std::uint64_t> bytes_;
    std::atomic<std::uint64_t> entries_;
    std::atomic<std::uint64_t> name_bytes_;
};

// LayerReader reads layers, one after the other.
class LayerReader {
public:
    // budget, and spool, which takes the contents of compressed layers, must outlive the reader.
    // on_progress (may be empty) gets the bytes of the layer's file done so far.
    LayerReader(LayerBudget& budget, Spool& spool,
                std::function<void(std::uint64_t)> on_progress = {})
        : budget_(&budget), spool_(&spool), on_progress_(std::move(on_progress)) {}

    // read reads one layer. Contents of uncompressed layers stay where they are. With digest, the
    // unpacked layer's SHA-256 is put there. Errors: ImageErrc bad_name, bad_link, too_large,
    // malformed, truncated, unsupported; Errno.
    [[nodiscard]] Result<Layer> read(const Content& blob, Compression compression,
                                     crypto::Digest256* digest = nullptr);

    // Entries so far with extended attributes, and with file capabilities among them: ignored.
    [[nodiscard]] std::uint64_t with_attributes() const { return with_attributes_; }
    [[nodiscard]] std::uint64_t with_capabilities() const { return with_capabilities_; }

private:
    LayerBudget* budget_;
    Spool* spool_;
    std::function<void(std::uint64_t)> on_progress_;
    std::uint64_t with_attributes_ = 0;
    std::uint64_t with_capabilities_ = 0;
};

// apply_layer changes the tree. Whiteouts follow symlinks of the tree in their parents as entries
// do, but not those that the layer itself replaces. Errors: those of real_directory, FileTree::put
// and link.
[[nodiscard]] Result<> apply_layer(Layer layer, FileTree& tree);

}  // namespace casemate::image
