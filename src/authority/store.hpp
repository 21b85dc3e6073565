// Store: the authority's directory. It and what it holds are its owner's alone; each file is
// replaced as a whole, so that a reader, and whoever comes after a process that was killed, finds
// the old one or the new one.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "authority/error.hpp"
#include "base/bytes.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace casemate::authority {

class Store {
public:
    // open opens an existing directory. Errors: AuthorityErrc missing; bad_store when it is not
    // this user's, when others may enter it, or when it is none.
    [[nodiscard]] static Result<Store> open(const std::string& directory);
    // open_or_make makes it first, with mode 0700, when it is missing.
    [[nodiscard]] static Result<Store> open_or_make(const std::string& directory);

    // lock waits until no other process holds the lock, which then is held as long as this object
    // is, and removes what killed processes left half written. Errors: AuthorityErrc busy, saying
    // who holds it; bad_store.
    [[nodiscard]] Result<> lock(std::chrono::milliseconds patience);

    // Mode of a file: 0600, or 0644 for what everybody may read.
    enum class Mode : std::uint8_t { private_file, public_file };
    // read gives a file's content, nothing when there is none. Errors: AuthorityErrc bad_store for
    // a private file that is another user's or that others may read, and for what is no file;
    // Errno.
    [[nodiscard]] Result<std::optional<SecretBytes>> read(const std::string& name, Mode mode) const;
    // write replaces a file; the lock is held. Errors: Errno.
    [[nodiscard]] Result<> write(const std::string& name, ByteView content, Mode mode) const;
    // remove removes a file that may be missing; the lock is held. Errors: Errno.
    [[nodiscard]] Result<> remove(const std::string& name) const;
    // names lists the files, sorted. Errors: Errno.
    [[nodiscard]] Result<std::vector<std::string>> names() const;

    [[nodiscard]] std::string path(std::string_view name) const {
        return directory_ + "/" + std::string(name);
    }

private:
    Store(std::string directory, UniqueFd fd)
        : directory_(std::move(directory)), fd_(std::move(fd)) {}
    [[nodiscard]] Result<> sync() const;

    std::string directory_;
    UniqueFd fd_;
    UniqueFd lock_;
};

}  // namespace casemate::authority
