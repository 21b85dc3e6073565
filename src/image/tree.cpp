#include "image/tree.hpp"

#include <algorithm>
#include <vector>

namespace casemate::image {

namespace {

constexpr std::uint32_t kImplicitPermissions = 0755;

Error refuse_name(std::string_view expected, std::string_view name) {
    return {ImageErrc::bad_name, "expected " + std::string(expected) + ", found '" +
                                     printable(name) + "' (" + std::to_string(name.size()) +
                                     " bytes)"};
}

bool is_directory(const std::shared_ptr<const Inode>& inode) {
    return inode->kind == InodeKind::directory;
}

std::string_view kind_name(InodeKind kind) {
    switch (kind) {
        case InodeKind::file:
            return "a file";
        case InodeKind::directory:
            return "a directory";
        case InodeKind::symlink:
            return "a symlink";
        case InodeKind::character:
        case InodeKind::block:
            return "a device";
        case InodeKind::fifo:
            return "a FIFO";
    }
    return "something else";
}

// append_components puts the components of a path or of a symlink's target on the stack of those
// that are still to be walked, the first one on top.
void append_components(std::string_view path, std::vector<std::string_view>& ahead) {
    for (std::size_t end = path.size(); end > 0;) {
        const std::size_t slash = path.rfind('/', end - 1);
        const std::size_t begin = slash == std::string_view::npos ? 0 : slash + 1;
        const std::string_view component = path.substr(begin, end - begin);
        if (!component.empty() && component != ".") {
            ahead.push_back(component);
        }
        end = begin == 0 ? 0 : slash;
    }
}

}  // namespace

std::string_view parent_of(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return path.substr(0, slash == std::string_view::npos ? 0 : slash);
}

std::string_view name_of(std::string_view path) {
    return path.substr(path.rfind('/') + 1);
}

std::string below(std::string directory, std::string_view name) {
    if (!directory.empty()) {
        directory.push_back('/');
    }
    return directory.append(name);
}

Result<std::string> real_directory(std::string_view path, const InodeLookup& lookup) {
    std::vector<std::string_view> ahead;
    append_components(path, ahead);
    std::string at;
    int links = 0;
    while (!ahead.empty()) {
        const std::string_view component = ahead.back();
        ahead.pop_back();
        if (component == "..") {
            at.resize(parent_of(at).size());
            continue;
        }
        std::string next = below(at, component);
        if (component.size() > kMaxComponent || next.size() > kMaxPath) {
            return refuse_name(
                "links that lead to a path of at most 4088 bytes in components of "
                "at most 255",
                path);
        }
        const Inode* inode = lookup(next);
        if (inode == nullptr || inode->kind == InodeKind::directory) {
            at = std::move(next);
        } else if (inode->kind != InodeKind::symlink) {
            // containerd refuses this as well. A layer in which a file became a directory has an
            // entry for that directory first; without one it was made for another image.
            return Error(ImageErrc::bad_name,
                         "expected a directory at '" + printable(next) + "' on the way to '" +
                             printable(path) + "', found " + std::string(kind_name(inode->kind)));
        } else if (++links > kMaxSymlinks) {
            return Error(ImageErrc::bad_name, "expected at most " + std::to_string(kMaxSymlinks) +
                                                  " symlinks on the way to '" + printable(path) +
                                                  "', found more, the last one at '" +
                                                  printable(next) + "'");
        } else {
            if (inode->target->starts_with('/')) {
                at.clear();
            }
            append_components(*inode->target, ahead);
        }
    }
    return at;
}

std::string printable(std::string_view name) {
    constexpr std::size_t kShown = 120;
    std::string text(name.substr(0, kShown));
    std::replace_if(
        text.begin(), text.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }, '?');
    if (name.size() > kShown) {
        text += "…";
    }
    return text;
}

Result<std::string> normal_path(std::string_view name) {
    if (name.empty() || name.front() == '/') {
        return refuse_name("a path relative to the image's root", name);
    }
    if (name.find('\0') != std::string_view::npos) {
        return refuse_name("a path without NUL bytes", name);
    }
    // Checked before anything is copied; "./" in front is all that normalizing usually removes.
    if (name.size() > kMaxPath + 2) {
        return refuse_name("a path of at most 4088 bytes", name);
    }
    std::string path;
    path.reserve(name.size());
    std::size_t begin = 0;
    while (begin < name.size()) {
        const std::size_t end = std::min(name.find('/', begin), name.size());
        const std::string_view component = name.substr(begin, end - begin);
        begin = end + 1;
        if (component.empty() || component == ".") {
            continue;
        }
        if (component == "..") {
            return refuse_name("a path without '..'", name);
        }
        if (component.size() > kMaxComponent) {
            return refuse_name("path components of at most 255 bytes", name);
        }
        if (!path.empty()) {
            path.push_back('/');
        }
        path.append(component);
    }
    if (path.size() > kMaxPath) {
        return refuse_name("a path of at most 4088 bytes", name);
    }
    return path;
}

std::uint32_t clamp_time(std::int64_t seconds) {
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 0, 0xffff'ffff));
}

Result<> FileTree::insert(std::string path, std::shared_ptr<const Inode> inode) {
    const std::size_t length = path.size();
    const auto [position, inserted] = entries_.insert_or_assign(std::move(path), std::move(inode));
    if (inserted && entries_.size() > max_entries_) {
        entries_.erase(position);
        return Error(ImageErrc::too_large, "expected at most " + std::to_string(max_entries_) +
                                               " files and directories, found more");
    }
    if (inserted && length > name_bytes_left_) {
        entries_.erase(position);
        return Error(ImageErrc::too_large,
                     "expected files and directories within the limit on the length of all their "
                     "paths, found more");
    }
    name_bytes_left_ -= inserted ? length : 0;
    return {};
}

const Inode* FileTree::find(std::string_view path) const {
    const auto found = entries_.find(path);
    return found == entries_.end() ? nullptr : found->second.get();
}

Result<std::string> FileTree::real_path(std::string path) const {
    const std::string_view parent = parent_of(path);
    const Inode* directory = find(parent);
    // The parents of a directory of the tree are directories: nothing to follow.
    if (parent.empty() || (directory != nullptr && directory->kind == InodeKind::directory)) {
        return path;
    }
    CASEMATE_TRY(std::string real,
                 real_directory(parent, [this](std::string_view at) { return find(at); }));
    std::string full = below(std::move(real), name_of(path));
    if (full.size() > kMaxPath) {
        return refuse_name("links that lead to a path of at most 4088 bytes", path);
    }
    return full;
}

Result<> FileTree::make_parents(const std::string& path) {
    const std::string_view parent = parent_of(path);
    if (parent.empty() || find(parent) != nullptr) {
        return {};
    }
    for (std::size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        if (find(std::string_view(path).substr(0, slash)) != nullptr) {
            continue;
        }
        auto directory = std::make_shared<Inode>();
        directory->kind = InodeKind::directory;
        directory->permissions = kImplicitPermissions;
        CASEMATE_CHECK(insert(path.substr(0, slash), std::move(directory)));
    }
    return {};
}

Result<> FileTree::put(std::string path, std::shared_ptr<const Inode> inode) {
    CASEMATE_TRY(std::string real, real_path(std::move(path)));
    CASEMATE_CHECK(make_parents(real));
    // A directory over a symlink to a directory replaces the symlink, as in containerd's
    // archive.Apply and in what overlayfs shows of such a layer: the layer's author saw a directory
    // there, and what the symlink led to is not its content.
    if (!is_directory(inode)) {
        const Inode* old = find(real);
        if (old != nullptr && old->kind == InodeKind::directory) {
            clear(real);
        }
    }
    return insert(std::move(real), std::move(inode));
}

Result<> FileTree::link(std::string path, const std::string& target) {
    CASEMATE_TRY(const std::string real_target, real_path(target));
    const auto found = entries_.find(real_target);
    if (found == entries_.end() || is_directory(found->second)) {
        return Error(ImageErrc::bad_link,
                     "expected a file at '" + printable(target) + "' for the hard link '" +
                         printable(path) + "', found " +
                         (found == entries_.end() ? "nothing" : "a directory"));
    }
    // Held here, as the path may be a directory that holds the target.
    std::shared_ptr<const Inode> inode = found->second;
    return put(std::move(path), std::move(inode));
}

void FileTree::keep(std::shared_ptr<const UniqueFd> file) {
    if (file != nullptr && (files_.empty() || files_.back() != file)) {
        files_.push_back(std::move(file));
    }
}

void FileTree::remove(const std::string& path) {
    entries_.erase(path);
    clear(path);
}

void FileTree::clear(const std::string& path) {
    if (path.empty()) {
        entries_.clear();
        return;
    }
    // '0' follows '/' in the order of bytes.
    entries_.erase(entries_.lower_bound(path + "/"), entries_.lower_bound(path + "0"));
}

}  // namespace casemate::image
