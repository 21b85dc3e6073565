#include "authority/store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/os_error.hpp"

namespace casemate::authority {

namespace {

constexpr std::size_t kMaxFile = 65536;
constexpr std::string_view kLock = "lock";
// What is being written has the final name with this tail.
constexpr std::string_view kAside = ".new";

std::string octal(unsigned number) {
    std::array<char, 12> text{};
    std::snprintf(text.data(), text.size(), "%04o", number);
    return text.data();
}

Error bad_store(std::string detail) {
    return {AuthorityErrc::bad_store, std::move(detail)};
}

// Whoever else may read a private key, or write what is believed, is the authority as well.
Result<> check_private(const struct stat& status, const std::string& path) {
    if (status.st_uid != ::geteuid()) {
        return bad_store("expected " + path + " to be user " + std::to_string(::geteuid()) +
                         "'s, found user " + std::to_string(status.st_uid) +
                         "'s; run as that user, or let CASEMATE_STATE_DIR name another directory");
    }
    if ((status.st_mode & 077U) != 0) {
        return bad_store("expected " + path + " to be its owner's alone, found mode " +
                         octal(status.st_mode & 07777U) +
                         ": others may have seen its keys. `chmod go= " + path +
                         "` closes it, and `casemate authority rotate --root` makes new keys");
    }
    return {};
}

// What could not be opened, and what it is instead.
Error not_opened(const std::string& path, int error_number) {
    if (error_number == ELOOP || error_number == ENOTDIR) {
        return bad_store("expected " + path + " itself, found a link or another kind of file");
    }
    return os_error("open " + path, error_number);
}

struct Close {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

// The process that holds the lock has written its number into it.
std::string holder(int lock) {
    std::array<char, 16> text{};
    const ssize_t size = ::pread(lock, text.data(), text.size() - 1, 0);
    return size > 0 ? "process " + std::string(text.data()) : "another process";
}

void write_holder(int lock) {
    const std::string text = std::to_string(::getpid());
    // What it is for is a sentence alone.
    if (::ftruncate(lock, 0) == 0) {
        static_cast<void>(write_all_at(lock, 0, as_bytes(text)));
    }
}

}  // namespace

Result<Store> Store::open(const std::string& directory) {
    UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid() && errno == ENOENT) {
        return Error(AuthorityErrc::missing,
                     "expected an attestation authority in " + directory +
                         ", found none; `casemate authority init` makes one, and so does the first "
                         "enclave");
    }
    struct stat status {};
    if (!fd.valid()) {
        return not_opened(directory, errno);
    }
    if (::fstat(fd.get(), &status) != 0) {
        return os_error("look at " + directory);
    }
    CASEMATE_CHECK(check_private(status, directory));
    return Store(directory, std::move(fd));
}

Result<Store> Store::open_or_make(const std::string& directory) {
    if (::mkdir(directory.c_str(), 0700) == 0) {
        const std::string parent = std::filesystem::path(directory).parent_path();
        const UniqueFd above(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!above.valid() || ::fsync(above.get()) != 0) {
            return os_error("write " + parent + " to disk");
        }
    } else if (errno != EEXIST) {
        return os_error("make the directory " + directory);
    }
    return open(directory);
}

Result<> Store::lock(std::chrono::milliseconds patience) {
    const std::string place = path(kLock);
    UniqueFd file(::openat(fd_.get(), std::string(kLock).c_str(),
                           O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    struct stat status {};
    if (!file.valid()) {
        return not_opened(place, errno);
    }
    if (::fstat(file.get(), &status) != 0) {
        return os_error("look at " + place);
    }
    CASEMATE_CHECK(check_private(status, place));
    const auto until = std::chrono::steady_clock::now() + patience;
    while (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return os_error("lock " + place);
        }
        if (std::chrono::steady_clock::now() >= until) {
            return Error(AuthorityErrc::busy,
                         "expected the lock " + place + " within " +
                             std::to_string(patience.count()) + " ms, found that " +
                             holder(file.get()) +
                             " holds it; try again, or end that process if it hangs");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    write_holder(file.get());
    lock_ = std::move(file);
    CASEMATE_TRY(const auto present, names());
    for (const std::string& name : present) {
        if (name.ends_with(kAside)) {
            CASEMATE_CHECK(remove(name));
        }
    }
    return {};
}

Result<std::optional<SecretBytes>> Store::read(const std::string& name, Mode mode) const {
    const UniqueFd file(
        ::openat(fd_.get(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file.valid() && errno == ENOENT) {
        return std::optional<SecretBytes>();
    }
    struct stat status {};
    if (!file.valid()) {
        return not_opened(path(name), errno);
    }
    if (::fstat(file.get(), &status) != 0) {
        return os_error("look at " + path(name));
    }
    if (!S_ISREG(status.st_mode) || status.st_size > static_cast<off_t>(kMaxFile)) {
        return bad_store("expected a file of at most " + std::to_string(kMaxFile) + " bytes at " +
                         path(name) + ", found another");
    }
    if (mode == Mode::private_file) {
        CASEMATE_CHECK(check_private(status, path(name)));
    }
    SecretBytes content(static_cast<std::size_t>(status.st_size));
    auto done = read_exactly(file.get(), content.mutable_view());
    if (!done) {
        return std::move(done).error().while_doing("read " + path(name));
    }
    return std::optional<SecretBytes>(std::move(content));
}

Result<> Store::write(const std::string& name, ByteView content, Mode mode) const {
    const std::string aside = name + std::string(kAside);
    const mode_t bits = mode == Mode::private_file ? 0600 : 0644;
    const UniqueFd file(::openat(fd_.get(), aside.c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.valid()) {
        return os_error("make " + path(aside));
    }
    const auto fail = [&](Error error) {
        ::unlinkat(fd_.get(), aside.c_str(), 0);
        return error;
    };
    if (auto done = write_all(file.get(), content); !done) {
        return fail(std::move(done).error().while_doing("write " + path(aside)));
    }
    if (::fchmod(file.get(), bits) != 0 || ::fsync(file.get()) != 0) {
        return fail(os_error("write " + path(aside) + " to disk"));
    }
    if (::renameat(fd_.get(), aside.c_str(), fd_.get(), name.c_str()) != 0) {
        return fail(os_error("rename to " + path(name)));
    }
    return sync();
}

Result<> Store::remove(const std::string& name) const {
    if (::unlinkat(fd_.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
        return os_error("remove " + path(name));
    }
    return sync();
}

Result<std::vector<std::string>> Store::names() const {
    // Of its own, so that it starts at the beginning.
    UniqueFd fd(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, Close> directory(fd.valid() ? ::fdopendir(fd.get()) : nullptr);
    if (!directory) {
        return os_error("list " + directory_);
    }
    static_cast<void>(fd.release());
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory.get())) {
        const std::string_view name(entry->d_name);
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    if (errno != 0) {
        return os_error("list " + directory_);
    }
    std::sort(names.begin(), names.end());
    return names;
}

Result<> Store::sync() const {
    if (::fsync(fd_.get()) != 0) {
        return os_error("write " + directory_ + " to disk");
    }
    return {};
}

}  // namespace casemate::authority
