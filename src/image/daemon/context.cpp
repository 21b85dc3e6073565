#include "image/daemon/context.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/os_error.hpp"
#include "image/daemon/ignore.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kMaxFiles = 1U << 20U;
constexpr std::uint64_t kMaxRulesFile = 4U << 20U;
constexpr std::string_view kDockerfile = "Dockerfile";
constexpr std::string_view kRulesFile = ".dockerignore";

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

struct Entry {
    std::string path;
    char type = '0';
    std::uint32_t permissions = 0;
    std::int64_t modified = 0;
    std::uint64_t size = 0;
    std::string link;
};

// Folder is read below an open descriptor, and no link is followed.
class Folder {
public:
    Folder(const UniqueFd& root, const IgnoreRules& rules) : root_(&root), rules_(&rules) {}

    Result<std::vector<Entry>> entries() {
        std::vector<std::string> todo{""};
        while (!todo.empty()) {
            const std::string path = std::move(todo.back());
            todo.pop_back();
            CASEMATE_CHECK(read(path, todo));
        }
        // Folders come before what is in them, in any case; the order is nobody else's business.
        std::sort(found_.begin(), found_.end(),
                  [](const Entry& a, const Entry& b) { return a.path < b.path; });
        return std::move(found_);
    }

private:
    Result<> read(const std::string& path, std::vector<std::string>& todo) {
        UniqueFd fd(::openat(root_->get(), path.empty() ? "." : path.c_str(),
                             O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!fd.valid()) {
            return os_error("open " + printable(path));
        }
        const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd.get()));
        if (directory == nullptr) {
            return os_error("open " + printable(path));
        }
        const int at = fd.release();
        while (true) {
            errno = 0;
            const dirent* const entry = ::readdir(directory.get());
            if (entry == nullptr) {
                return errno != 0 ? Result<>(os_error("read " + printable(path))) : Result<>();
            }
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..") {
                CASEMATE_CHECK(add(at, entry->d_name,
                                   path.empty() ? std::string(name) : path + "/" + entry->d_name,
                                   todo));
            }
        }
    }

    Result<> add(int at, const char* name, std::string path, std::vector<std::string>& todo) {
        struct stat status {};
        if (::fstatat(at, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
            return os_error("look at " + printable(path));
        }
        const bool is_folder = S_ISDIR(status.st_mode);
        // The daemon needs these two whatever the rules say.
        const bool ignored = path != kDockerfile && path != kRulesFile && rules_->ignores(path);
        if (is_folder && (!ignored || rules_->has_exceptions())) {
            todo.push_back(path);
        }
        if (ignored || !(is_folder || S_ISREG(status.st_mode) || S_ISLNK(status.st_mode))) {
            return {};
        }
        if (found_.size() == kMaxFiles) {
            return Error(ImageErrc::too_large,
                         "expected at most " + std::to_string(kMaxFiles) + " files, found more");
        }
        Entry entry;
        entry.permissions = status.st_mode & 07777U;
        entry.modified = status.st_mtim.tv_sec;
        if (is_folder) {
            entry.type = '5';
        } else if (S_ISLNK(status.st_mode)) {
            entry.type = '2';
            std::array<char, 4097> target{};
            const ssize_t size = ::readlinkat(at, name, target.data(), target.size());
            if (size < 0) {
                return os_error("read the link " + printable(path));
            }
            entry.link.assign(target.data(), static_cast<std::size_t>(size));
        } else {
            entry.size = static_cast<std::uint64_t>(status.st_size);
        }
        entry.path = std::move(path);
        found_.push_back(std::move(entry));
        return {};
    }

    const UniqueFd* root_;
    const IgnoreRules* rules_;
    std::vector<Entry> found_;
};

// octal writes a number into a field of a header, with NUL at its end.
void octal(MutableBytes field, std::uint64_t value) {
    for (std::size_t i = field.size() - 1; i-- > 0; value >>= 3U) {
        field[i] = static_cast<std::uint8_t>('0' + (value & 7U));
    }
}

// append_header writes a ustar header (POSIX.1-2001) of fields that fit.
void append_header(Bytes& out, std::string_view name, const Entry& entry) {
    out.resize(out.size() + kBlock, 0);
    const MutableBytes block = MutableBytes(out).last(kBlock);
    const auto text = [&](std::size_t at, std::string_view value, std::size_t limit) {
        std::memcpy(block.data() + at, value.data(), std::min(value.size(), limit));
    };
    text(0, name, 100);
    octal(block.subspan(100, 8), entry.permissions);
    octal(block.subspan(108, 8), 0);
    octal(block.subspan(116, 8), 0);
    octal(block.subspan(124, 12), entry.size);
    octal(block.subspan(136, 12),
          static_cast<std::uint64_t>(std::max<std::int64_t>(entry.modified, 0)));
    text(148, "        ", 8);
    block[156] = static_cast<std::uint8_t>(entry.type);
    text(157, entry.link, 100);
    text(257, std::string_view("ustar\00000", 8), 8);
    std::uint64_t sum = 0;
    for (const std::uint8_t byte : block) {
        sum += byte;
    }
    octal(block.subspan(148, 7), sum);
}

// append_record writes "LENGTH KEY=VALUE\n", whose length counts its own digits (pax).
void append_record(std::string& out, std::string_view key, std::string_view value) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + 1;
    while (std::to_string(length).size() + rest != length) {
        ++length;
    }
    out.append(std::to_string(length))
        .append(" ")
        .append(key)
        .append("=")
        .append(value)
        .append("\n");
}

void append_padding(Bytes& out, std::uint64_t size) {
    out.resize(out.size() + static_cast<std::size_t>((kBlock - size % kBlock) % kBlock), 0);
}

// append_entry writes a header, after an extended one where it does not fit in.
void append_entry(Bytes& out, const Entry& entry) {
    constexpr std::uint64_t kMaxSize = 077777777777;
    std::string records;
    const std::string name = entry.path + (entry.type == '5' ? "/" : "");
    if (name.size() > 100) {
        append_record(records, "path", name);
    }
    if (entry.link.size() > 100) {
        append_record(records, "linkpath", entry.link);
    }
    if (entry.size > kMaxSize) {
        append_record(records, "size", std::to_string(entry.size));
    }
    if (!records.empty()) {
        Entry extended;
        extended.type = 'x';
        extended.permissions = 0644;
        extended.size = records.size();
        append_header(out, "pax", extended);
        const ByteView bytes = as_bytes(records);
        out.insert(out.end(), bytes.begin(), bytes.end());
        append_padding(out, records.size());
    }
    append_header(out, name, entry);
}

// Archive gives the archive's bytes one piece after the other.
class Archive {
public:
    Archive(UniqueFd root, std::vector<Entry> entries)
        : root_(std::move(root)), entries_(std::move(entries)) {}

    Result<std::size_t> read(MutableBytes out) {
        while (sent_ == pending_.size() && left_ == 0) {
            if (ended_) {
                return std::size_t{0};
            }
            CASEMATE_CHECK(go_on());
        }
        if (sent_ < pending_.size()) {
            const std::size_t size = std::min(out.size(), pending_.size() - sent_);
            std::memcpy(out.data(), pending_.data() + sent_, size);
            sent_ += size;
            return size;
        }
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left_));
        CASEMATE_TRY(const std::size_t got, read_some(file_.get(), out.first(wanted)));
        if (got == 0) {
            return changed();
        }
        left_ -= got;
        return got;
    }

private:
    Error changed() const {
        return {ImageErrc::changed, "expected '" + printable(entries_[next_ - 1].path) +
                                        "' to stay a file of " +
                                        std::to_string(entries_[next_ - 1].size) +
                                        " bytes, found another or a shorter one"};
    }

    // go_on makes the next thing to send: padding and a header, or the end.
    Result<> go_on() {
        pending_.clear();
        sent_ = 0;
        if (next_ > 0) {
            append_padding(pending_, entries_[next_ - 1].size);
        }
        if (next_ == entries_.size()) {
            pending_.resize(pending_.size() + 2 * kBlock, 0);
            ended_ = true;
            return {};
        }
        const Entry& entry = entries_[next_++];
        append_entry(pending_, entry);
        if (entry.type != '0') {
            return {};
        }
        file_.reset(::openat(root_.get(), entry.path.c_str(),
                             O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        struct stat status {};
        if (!file_.valid() || ::fstat(file_.get(), &status) != 0) {
            return os_error("open " + printable(entry.path));
        }
        if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) < entry.size) {
            return changed();
        }
        left_ = entry.size;
        return {};
    }

    UniqueFd root_;
    std::vector<Entry> entries_;
    // next_: the entry after the one that is being sent.
    std::size_t next_ = 0;
    Bytes pending_;
    std::size_t sent_ = 0;
    UniqueFd file_;
    std::uint64_t left_ = 0;
    bool ended_ = false;
};

}  // namespace

Result<http::BodySource> build_context(const std::string& folder) {
    CASEMATE_TRY(UniqueFd root, open_file(folder, O_RDONLY | O_DIRECTORY));
    if (::faccessat(root.get(), std::string(kDockerfile).c_str(), R_OK, 0) != 0) {
        return Error(ImageErrc::not_found,
                     "expected a readable file named Dockerfile in " + folder + ", found none");
    }
    IgnoreRules rules;
    const auto text = read_file(folder + "/" + std::string(kRulesFile), kMaxRulesFile);
    if (text) {
        CASEMATE_TRY(rules, IgnoreRules::parse(as_text(*text)));
    } else if (!text.error().is(static_cast<Errno>(ENOENT))) {
        return text.error();
    }
    CASEMATE_TRY(std::vector<Entry> entries, Folder(root, rules).entries());
    const auto archive = std::make_shared<Archive>(std::move(root), std::move(entries));
    return http::BodySource{.size = {},
                            .read = [archive](MutableBytes out) { return archive->read(out); }};
}

}  // namespace casemate::image
