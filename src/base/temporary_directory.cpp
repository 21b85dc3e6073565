#include "base/temporary_directory.hpp"

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/os_error.hpp"

namespace casemate {

Result<TemporaryDirectory> TemporaryDirectory::create(const std::string& parent) {
    std::error_code failure;
    const std::string base =
        parent.empty() ? std::filesystem::temp_directory_path(failure).string() : parent;
    std::string path = base + "/casemate.XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
        return os_error("create a directory in " + base);
    }
    return TemporaryDirectory(std::move(path));
}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {
}

TemporaryDirectory& TemporaryDirectory::operator=(TemporaryDirectory&& other) noexcept {
    if (this != &other) {
        remove();
        path_ = std::exchange(other.path_, {});
    }
    return *this;
}

void TemporaryDirectory::remove() {
    if (!path_.empty()) {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
}

}  // namespace casemate
