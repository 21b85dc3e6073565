// TemporaryDirectory: a fresh directory that is removed, with all in it, when the object goes.
#pragma once

#include <string>

#include "base/result.hpp"

namespace casemate {

class TemporaryDirectory {
public:
    // create makes a directory of mode 0700 under parent, or under $TMPDIR or /tmp by default.
    [[nodiscard]] static Result<TemporaryDirectory> create(const std::string& parent = "");
    TemporaryDirectory(TemporaryDirectory&& other) noexcept;
    TemporaryDirectory& operator=(TemporaryDirectory&& other) noexcept;
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() { remove(); }

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    explicit TemporaryDirectory(std::string path) : path_(std::move(path)) {}
    void remove();

    std::string path_;
};

}  // namespace casemate
