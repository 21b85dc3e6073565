#include "image/tree.hpp"

#include <algorithm>

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

}  // namespace

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

Result<> FileTree::insert(const std::string& path, std::shared_ptr<const Inode> inode) {
    const auto [position, inserted] = entries_.insert_or_assign(path, std::move(inode));
    if (inserted && entries_.size() > max_entries_) {
        entries_.erase(position);
        return Error(ImageErrc::too_large, "expected at most " + std::to_string(max_entries_) +
                                               " files and directories, found more");
    }
    return {};
}

Result<> FileTree::make_parents(const std::string& path) {
    for (std::size_t slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        const auto found = entries_.find(std::string_view(path).substr(0, slash));
        if (found != entries_.end() && is_directory(found->second)) {
            continue;
        }
        if (found != entries_.end()) {
            ++replaced_parents_;
        }
        auto directory = std::make_shared<Inode>();
        directory->kind = InodeKind::directory;
        directory->permissions = kImplicitPermissions;
        CASEMATE_CHECK(insert(path.substr(0, slash), std::move(directory)));
    }
    return {};
}

Result<> FileTree::put(const std::string& path, std::shared_ptr<const Inode> inode) {
    CASEMATE_CHECK(make_parents(path));
    if (!is_directory(inode)) {
        const auto old = entries_.find(path);
        if (old != entries_.end() && is_directory(old->second)) {
            clear(path);
        }
    }
    return insert(path, std::move(inode));
}

Result<> FileTree::link(const std::string& path, const std::string& target) {
    const auto found = entries_.find(target);
    if (found == entries_.end() || is_directory(found->second)) {
        return Error(ImageErrc::bad_link,
                     "expected a file at '" + printable(target) + "' for the hard link '" +
                         printable(path) + "', found " +
                         (found == entries_.end() ? "nothing" : "a directory"));
    }
    // Held here, as making the parents may replace the target itself.
    std::shared_ptr<const Inode> inode = found->second;
    return put(path, std::move(inode));
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
