#include "image/layer.hpp"

#include <algorithm>
#include <array>

#include "codec/cpio.hpp"
#include "image/tar.hpp"

namespace casemate::image {

namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kWhiteoutMeta = ".wh..wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::uint64_t kProgressStep = 4U << 20U;
// What Linux has room for in a device number.
constexpr std::uint32_t kMaxMajor = 0xfff;
constexpr std::uint32_t kMaxMinor = 0xf'ffff;

// LayerStream counts what is unpacked against a limit, and hashes it when asked to.
class LayerStream final : public Stream {
public:
    LayerStream(Stream& inner, LayerBudget& budget, bool hashed)
        : inner_(&inner), budget_(&budget) {
        if (hashed) {
            hasher_.emplace();
        }
    }

    Result<std::size_t> read(MutableBytes out) override {
        CASEMATE_TRY(const std::size_t got, inner_->read(out));
        CASEMATE_CHECK(count(got));
        if (hasher_) {
            hasher_->update(out.first(got));
        }
        return got;
    }

    Result<> skip(std::uint64_t size) override {
        if (!hasher_) {
            CASEMATE_CHECK(count(size));
            return inner_->skip(size);
        }
        std::array<std::uint8_t, 64U << 10U> unused{};
        while (size > 0) {
            const auto part =
                static_cast<std::size_t>(std::min<std::uint64_t>(unused.size(), size));
            CASEMATE_CHECK(read_exactly(MutableBytes(unused).first(part), "a layer"));
            size -= part;
        }
        return {};
    }

    [[nodiscard]] std::uint64_t consumed() const override { return inner_->consumed(); }

    // drain reads the rest, so that checksums behind it are checked.
    Result<> drain() {
        std::array<std::uint8_t, 64U << 10U> unused{};
        while (true) {
            CASEMATE_TRY(const std::size_t got, read(unused));
            if (got == 0) {
                return {};
            }
        }
    }

    // count takes size from what may still be unpacked.
    Result<> count(std::uint64_t size) {
        if (!budget_->take_bytes(size)) {
            return Error(ImageErrc::too_large,
                         "expected layers within the limit on their unpacked size, of which " +
                             std::to_string(budget_->bytes_left()) + " bytes are left, found " +
                             std::to_string(size) + " more");
        }
        return {};
    }

    crypto::Digest256 digest() { return hasher_->finish(); }

private:
    Stream* inner_;
    LayerBudget* budget_;
    std::optional<crypto::Sha256> hasher_;
};

InodeKind inode_kind(TarKind kind) {
    switch (kind) {
        case TarKind::symlink:
            return InodeKind::symlink;
        case TarKind::character:
            return InodeKind::character;
        case TarKind::block:
            return InodeKind::block;
        case TarKind::directory:
            return InodeKind::directory;
        case TarKind::fifo:
            return InodeKind::fifo;
        case TarKind::file:
        case TarKind::hard_link:
            break;
    }
    return InodeKind::file;
}

// Whiteouts are files named .wh.NAME. Other names with .wh..wh. are AUFS's own bookkeeping.
// read_whiteout tells whether the entry is one of these, and so changes nothing by itself.
Result<bool> read_whiteout(const std::string& path, Layer& layer) {
    for (std::size_t begin = 0; begin < path.size();) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const std::string_view component = std::string_view(path).substr(begin, end - begin);
        const std::string parent = path.substr(0, begin == 0 ? 0 : begin - 1);
        const bool last = end == path.size();
        if (component == kOpaque && last) {
            layer.cleared.push_back(parent);
            return true;
        }
        if (component.starts_with(kWhiteoutMeta)) {
            return true;
        }
        if (component.starts_with(kWhiteout)) {
            const std::string_view name = component.substr(kWhiteout.size());
            if (!last || name.empty() || name == "." || name == "..") {
                return Error(ImageErrc::bad_name,
                             "expected a whiteout of one name, found '" + printable(path) + "'");
            }
            layer.removed.push_back((parent.empty() ? "" : parent + "/") + std::string(name));
            return true;
        }
        begin = end + 1;
    }
    return false;
}

Result<> check_entry(const TarEntry& entry) {
    if (entry.kind == TarKind::file && entry.size > codec::kCpioMaxFile) {
        return Error(ImageErrc::too_large, "expected files of at most 4294967295 bytes, found '" +
                                               printable(entry.name) + "' of " +
                                               std::to_string(entry.size));
    }
    if (entry.kind == TarKind::symlink &&
        (entry.link.empty() || entry.link.size() > codec::kCpioMaxTarget ||
         entry.link.find('\0') != std::string::npos)) {
        return Error(ImageErrc::bad_name,
                     "expected a symlink target of 1 to 4095 bytes without NUL, found '" +
                         printable(entry.link) + "' (" + std::to_string(entry.link.size()) +
                         " bytes) at '" + printable(entry.name) + "'");
    }
    if (entry.major > kMaxMajor || entry.minor > kMaxMinor) {
        return Error(ImageErrc::unsupported, "expected a device number up to 4095:1048575, found " +
                                                 std::to_string(entry.major) + ":" +
                                                 std::to_string(entry.minor) + " at '" +
                                                 printable(entry.name) + "'");
    }
    return {};
}

// spool_content copies a file's stored bytes to the spool, each segment to its place.
Result<Content> spool_content(TarReader& tar, const TarEntry& entry, Spool& spool) {
    const std::uint64_t start = spool.position();
    std::vector<TarSegment> segments = entry.segments;
    if (!entry.sparse) {
        segments = {{0, entry.size}};
    }
    for (const TarSegment& segment : segments) {
        const std::uint64_t done = spool.position() - start;
        if (segment.offset > done) {
            CASEMATE_CHECK(spool.append_zeros(segment.offset - done));
        }
        for (std::uint64_t left = segment.size; left > 0;) {
            CASEMATE_TRY(const MutableBytes room, spool.room());
            const auto want = static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), left));
            CASEMATE_TRY(const std::size_t got, tar.read(room.first(want)));
            if (got == 0) {
                return Error(ImageErrc::truncated, "expected " + std::to_string(left) +
                                                       " more bytes of '" + printable(entry.name) +
                                                       "', found the end of its data");
            }
            spool.filled(got);
            left -= got;
        }
    }
    const std::uint64_t done = spool.position() - start;
    if (entry.size > done) {
        CASEMATE_CHECK(spool.append_zeros(entry.size - done));
    }
    return spool.content_from(start);
}

std::shared_ptr<Inode> make_inode(TarEntry& entry) {
    auto inode = std::make_shared<Inode>();
    inode->kind = inode_kind(entry.kind);
    inode->permissions = static_cast<std::uint16_t>(entry.permissions);
    inode->uid = entry.uid;
    inode->gid = entry.gid;
    inode->modified = clamp_time(entry.modified);
    if (entry.kind == TarKind::character || entry.kind == TarKind::block) {
        inode->set_device(entry.major, entry.minor);
    }
    if (entry.kind == TarKind::symlink) {
        // Linux has no permissions of symlinks; tars differ in what they say.
        inode->permissions = 0777;
        inode->target = std::make_unique<const std::string>(std::move(entry.link));
    }
    return inode;
}

// Targets of hard links are paths in the image: "/a" means the same as "a" to every tool.
Result<std::string> link_target(const TarEntry& entry) {
    std::string_view target = entry.link;
    target.remove_prefix(std::min(target.find_first_not_of('/'), target.size()));
    CASEMATE_TRY(std::string path, normal_path(target));
    return path;
}

// Source is a layer being read.
struct Source {
    const Content* blob;
    Compression compression;
    LayerStream* stream;
    TarReader* tar;
    Spool* spool;
};

// Uncompressed contents stay where they are, unless they have holes.
Result<Content> content_of(const Source& source, const TarEntry& entry) {
    if (source.compression == Compression::none && !entry.sparse) {
        return Content{source.blob->file, source.blob->offset + source.tar->position(), entry.size};
    }
    CASEMATE_CHECK(source.stream->count(entry.size - entry.stored_size));
    return spool_content(*source.tar, entry, *source.spool);
}

Result<> add_entry(const Source& source, TarEntry& entry, Layer& layer) {
    CASEMATE_TRY(std::string path, normal_path(entry.name));
    CASEMATE_CHECK(check_entry(entry));
    CASEMATE_TRY(const bool whiteout, read_whiteout(path, layer));
    if (whiteout || (path.empty() && entry.kind == TarKind::directory)) {
        return {};
    }
    if (path.empty()) {
        return Error(ImageErrc::bad_name, "expected the image's root to be a directory, found '" +
                                              printable(entry.name) + "'");
    }
    if (entry.kind == TarKind::hard_link) {
        CASEMATE_TRY(std::string target, link_target(entry));
        layer.changes.push_back(
            {std::move(path), nullptr, std::make_unique<const std::string>(std::move(target))});
        return {};
    }
    auto inode = make_inode(entry);
    if (entry.kind == TarKind::file) {
        CASEMATE_TRY(const Content content, content_of(source, entry));
        inode->size = static_cast<std::uint32_t>(content.size);
        inode->file = content.file.get();
        inode->place = content.offset;
    }
    layer.changes.push_back({std::move(path), std::move(inode), {}});
    return {};
}

// WhiteoutPaths finds where a layer's whiteouts lead: through the tree's symlinks, as far as the
// layer does not itself put something else in their place. Where a layer makes a directory of a
// symlink and marks it opaque, what the symlink led to must stay.
class WhiteoutPaths {
public:
    WhiteoutPaths(const Layer& layer, const FileTree& tree) : layer_(&layer), tree_(&tree) {}
    WhiteoutPaths(const WhiteoutPaths&) = delete;
    WhiteoutPaths& operator=(const WhiteoutPaths&) = delete;
    ~WhiteoutPaths() = default;

    Result<std::string> directory(const std::string& path) {
        const Inode* inode = tree_->find(path);
        if (path.empty() || (inode != nullptr && inode->kind == InodeKind::directory)) {
            return path;
        }
        if (!own_) {
            collect();
        }
        return real_directory(path, lookup_);
    }

private:
    // collect notes what the layer puts where. Few layers have whiteouts that need this. A change
    // whose path can't be followed is left out: applying it says why, unless a whiteout helps.
    void collect() {
        own_.emplace();
        for (const LayerChange& change : layer_->changes) {
            auto path = real_path(change.path);
            auto inode = change.inode;
            if (inode == nullptr) {
                const auto target = real_path(*change.link_target);
                inode = target ? find(*target) : nullptr;
            }
            if (path && inode != nullptr) {
                own_->insert_or_assign(std::move(*path), std::move(inode));
            }
        }
    }

    Result<std::string> real_path(std::string_view path) {
        CASEMATE_TRY(std::string real, real_directory(parent_of(path), lookup_));
        return below(std::move(real), name_of(path));
    }

    // Shared, as whiteouts take inodes away from the tree.
    std::shared_ptr<const Inode> find(std::string_view path) const {
        if (const auto own = own_->find(path); own != own_->end()) {
            return own->second;
        }
        const auto found = tree_->entries().find(path);
        return found == tree_->entries().end() ? nullptr : found->second;
    }

    const Layer* layer_;
    const FileTree* tree_;
    std::optional<FileTree::Entries> own_;
    // The layer and the tree own what this points to, and neither changes on a walk.
    InodeLookup lookup_ = [this](std::string_view path) { return find(path).get(); };
};

}  // namespace

bool LayerBudget::take(std::atomic<std::uint64_t>& left, std::uint64_t size) {
    std::uint64_t now = left;
    while (size <= now) {
        if (left.compare_exchange_weak(now, now - size)) {
            return true;
        }
    }
    return false;
}

Result<Layer> LayerReader::read(const Content& blob, Compression compression,
                                crypto::Digest256* digest) {
    CASEMATE_TRY(const auto file, open_stream(blob, compression));
    LayerStream stream(*file, *budget_, digest != nullptr);
    TarReader tar(stream);
    const Source source{&blob, compression, &stream, &tar, spool_};
    Layer layer;
    layer.files = {blob.file, spool_->file()};
    std::uint64_t reported = 0;
    while (true) {
        CASEMATE_TRY(std::optional<TarEntry> entry, tar.next());
        if (!entry) {
            break;
        }
        if (!budget_->take_entry()) {
            return Error(ImageErrc::too_large,
                         "expected layers within the limit on their entries, found more");
        }
        if (!budget_->take_names(entry->name.size() + entry->link.size())) {
            return Error(ImageErrc::too_large,
                         "expected layers within the limit on the length of all their names, "
                         "found more");
        }
        with_attributes_ += entry->has_attributes ? 1U : 0U;
        with_capabilities_ += entry->has_capabilities ? 1U : 0U;
        CASEMATE_CHECK(add_entry(source, *entry, layer));
        if (on_progress_ && stream.consumed() - reported >= kProgressStep) {
            reported = stream.consumed();
            on_progress_(reported);
        }
    }
    if (compression != Compression::none || digest != nullptr) {
        CASEMATE_CHECK(stream.drain());
    }
    if (digest != nullptr) {
        *digest = stream.digest();
    }
    return layer;
}

Result<> apply_layer(Layer layer, FileTree& tree) {
    for (std::shared_ptr<const UniqueFd>& file : layer.files) {
        tree.keep(std::move(file));
    }
    WhiteoutPaths whiteouts(layer, tree);
    for (const std::string& path : layer.removed) {
        CASEMATE_TRY(std::string directory, whiteouts.directory(std::string(parent_of(path))));
        tree.remove(below(std::move(directory), name_of(path)));
    }
    for (const std::string& path : layer.cleared) {
        CASEMATE_TRY(const std::string directory, whiteouts.directory(path));
        tree.clear(directory);
    }
    // What has been applied is given up at once: a layer can have a million changes.
    while (!layer.changes.empty()) {
        LayerChange& change = layer.changes.front();
        CASEMATE_CHECK(change.inode != nullptr
                           ? tree.put(std::move(change.path), std::move(change.inode))
                           : tree.link(std::move(change.path), *change.link_target));
        layer.changes.pop_front();
    }
    return {};
}

}  // namespace casemate::image
