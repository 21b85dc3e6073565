#include "enclave/paths.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/environment.hpp"
#include "base/file.hpp"
#include "base/os_error.hpp"
#include "enclave/errors.hpp"

namespace casemate::enclave {

namespace {

namespace fs = std::filesystem;

std::string home() {
    std::string directory = environment("HOME");
    if (directory.empty()) {
        const passwd* user = ::getpwuid(::geteuid());
        directory = user != nullptr && user->pw_dir != nullptr ? user->pw_dir : "";
    }
    return directory;
}

std::string octal(unsigned number) {
    std::array<char, 12> text{};
    std::snprintf(text.data(), text.size(), "%04o", number);
    return text.data();
}

// The kernel of CASEMATE_KERNEL_DIR, else the one installed beside the programs, else where
// kernel/build leaves the current one, by the same variables.
std::string kernel_directory(const std::string& programs) {
    if (std::string named = environment("CASEMATE_KERNEL_DIR"); !named.empty()) {
        return named;
    }
    std::string installed = programs + "/../lib/casemate/kernel";
    if (::access((installed + "/vmlinux").c_str(), R_OK) == 0) {
        return installed;
    }
    std::string kernels = environment("CASEMATE_KERNEL_CACHE");
    if (kernels.empty()) {
        const std::string cache = environment("XDG_CACHE_HOME");
        kernels = (cache.empty() ? home() + "/.cache" : cache) + "/casemate/kernel";
    }
    return kernels + "/current";
}

Error no_home(std::string_view purpose, std::string_view other) {
    return {EnclaveErrc::file_operation, "expected a home directory for " + std::string(purpose) +
                                             ", found neither HOME nor one in the user database; "
                                             "set " +
                                             std::string(other)};
}

Result<> make_directory(const std::string& path, mode_t mode, std::string_view moved_by) {
    std::error_code error;
    const fs::path parent = fs::path(path).parent_path();
    fs::create_directories(parent, error);
    if (::mkdir(path.c_str(), mode) == 0) {
        // The mode is what it is meant to be, whatever the umask.
        if (::chmod(path.c_str(), mode) != 0) {
            return os_error("set the mode of " + path);
        }
        return {};
    }
    struct stat status {};
    if (errno == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
        return {};
    }
    return Error(EnclaveErrc::file_operation, "expected to make the directory " + path +
                                                  ", found " +
                                                  std::string(describe(static_cast<Errno>(errno))) +
                                                  "; " + std::string(moved_by) + " moves it");
}

Result<> check_owner(const std::string& path, std::string_view moved_by) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        return os_error("look at " + path);
    }
    const bool ours = status.st_uid == ::geteuid() || status.st_uid == 0;
    if (ours && (status.st_mode & S_IWOTH) == 0) {
        return {};
    }
    return Error(EnclaveErrc::file_operation,
                 "expected the directory " + path +
                     " to be this user's or root's, and not everybody's to write to; found user " +
                     std::to_string(status.st_uid) + "'s with mode " +
                     octal(status.st_mode & 07777U) + "; " + std::string(moved_by) + " moves it");
}

}  // namespace

Result<Paths> find_paths() {
    Paths paths;
    const bool root = ::geteuid() == 0;
    paths.state = environment("CASEMATE_STATE_DIR");
    if (paths.state.empty()) {
        if (!root && home().empty()) {
            return no_home("Casemate's state", "CASEMATE_STATE_DIR");
        }
        paths.state = root ? "/var/lib/casemate" : home() + "/.local/share/casemate";
    }
    paths.runtime = environment("CASEMATE_RUNTIME_DIR");
    if (paths.runtime.empty()) {
        paths.runtime = environment("NITRO_CLI_SOCKETS_PATH");
    }
    if (paths.runtime.empty()) {
        const std::string session = environment("XDG_RUNTIME_DIR");
        if (root) {
            paths.runtime = "/run/casemate";
        } else {
            paths.runtime = session.empty() ? paths.state + "/run" : session + "/casemate";
        }
    }
    if (std::string named = environment("CASEMATE_CONFIG_DIR"); !named.empty()) {
        paths.configuration = std::move(named);
    }
    if (std::string named = environment("CASEMATE_KVM_DEVICE"); !named.empty()) {
        paths.kvm_device = std::move(named);
    }
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error);
    if (error) {
        return os_error("find the running program in /proc", error.value());
    }
    paths.programs = self.parent_path();
    paths.kernel = kernel_directory(paths.programs);
    // The supervisor works from the root directory.
    for (std::string* path : {&paths.state, &paths.runtime, &paths.configuration, &paths.kernel}) {
        CASEMATE_TRY(*path, absolute_path(*path));
    }
    return paths;
}

Result<> make_directories(const Paths& paths) {
    CASEMATE_CHECK(make_directory(paths.state, 0700, "CASEMATE_STATE_DIR"));
    CASEMATE_CHECK(make_directory(paths.histories(), 0700, "CASEMATE_STATE_DIR"));
    CASEMATE_CHECK(make_directory(paths.runtime, 0755, "CASEMATE_RUNTIME_DIR"));
    CASEMATE_CHECK(make_directory(paths.enclaves(), 0755, "CASEMATE_RUNTIME_DIR"));
    CASEMATE_CHECK(make_directory(paths.cids(), 0755, "CASEMATE_RUNTIME_DIR"));
    CASEMATE_CHECK(make_directory(paths.parent_ports(), 0755, "CASEMATE_RUNTIME_DIR"));
    return {};
}

Result<> check_directories(const Paths& paths) {
    CASEMATE_CHECK(check_owner(paths.state, "CASEMATE_STATE_DIR"));
    return check_owner(paths.runtime, "CASEMATE_RUNTIME_DIR");
}

}  // namespace casemate::enclave
