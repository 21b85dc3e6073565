#include "image/registry/credentials.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "base/environment.hpp"
#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/process.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

using Clock = std::chrono::steady_clock;

// What helpers say where they have nothing; they end with another status than 0 then.
constexpr std::string_view kNothingKnown = "credentials not found in native keychain";

Error helper_error(const std::string& name, const std::string& what) {
    return {ImageErrc::credentials, "expected credentials from docker-credential-" +
                                        printable(name) + ", which is named in a file that " +
                                        "`docker login` or `podman login` keeps; found " + what};
}

Result<std::string> find_helper(const std::string& name) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    };
    if (name.empty() || !std::all_of(name.begin(), name.end(), plain)) {
        return helper_error(name, "a name that no program has");
    }
    const std::string path = environment("PATH");
    for (std::size_t begin = 0; begin <= path.size();) {
        const std::size_t end = std::min(path.find(':', begin), path.size());
        const std::string file = path.substr(begin, end - begin) + "/docker-credential-" + name;
        if (file.front() == '/' && ::access(file.c_str(), X_OK) == 0) {
            return file;
        }
        begin = end + 1;
    }
    return helper_error(name, "no such program in PATH");
}

// read_answer reads until the helper ends its output.
Result<SecretBytes> read_answer(const std::string& name, int fd, Clock::time_point deadline) {
    SecretBytes answer(kMaxAnswer);
    std::size_t size = 0;
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd one{fd, POLLIN, 0};
        const int ready = left.count() <= 0 ? 0 : ::poll(&one, 1, static_cast<int>(left.count()));
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            return helper_error(name, "no answer in time");
        }
        if (size == answer.size()) {
            return helper_error(name, "an answer without end");
        }
        CASEMATE_TRY(const std::size_t got, read_some(fd, answer.mutable_view().subspan(size)));
        if (got == 0) {
            const ByteView whole = answer.view().first(size);
            return SecretBytes(Bytes(whole.begin(), whole.end()));
        }
        size += got;
    }
}

std::vector<std::string> own_environment() {
    std::vector<std::string> all;
    for (char** one = environ; *one != nullptr; ++one) {
        all.emplace_back(*one);
    }
    return all;
}

// server_of: helpers know Docker's own registry by its oldest name.
std::string server_of(const std::string& registry) {
    return registry == "docker.io" ? "https://index.docker.io/v1/" : registry;
}

// search looks for a name and for ever shorter beginnings of it, down to the registry.
template <class Map>
typename Map::iterator search(Map& map, std::string name) {
    while (true) {
        const auto found = map.find(name);
        const std::size_t slash = name.rfind('/');
        if (found != map.end() || slash == std::string::npos) {
            return found;
        }
        name.resize(slash);
    }
}

Result<std::optional<Credentials>> credentials_in(AuthFile file, const std::string& name) {
    const std::string registry = name.substr(0, name.find('/'));
    std::string helper = file.store;
    if (const auto own = search(file.helpers, name); own != file.helpers.end()) {
        helper = own->second;
    }
    if (!helper.empty()) {
        CASEMATE_TRY(std::optional<Credentials> found, ask_helper(helper, server_of(registry)));
        if (found) {
            return found;
        }
    }
    const auto entry = search(file.entries, name);
    return entry == file.entries.end() ? std::optional<Credentials>()
                                       : std::optional(std::move(entry->second));
}

}  // namespace

std::vector<std::string> credential_files() {
    std::vector<std::string> files;
    const auto add = [&](const std::string& first, const std::string& second,
                         const std::string& tail) {
        if (!first.empty()) {
            files.push_back(first + tail);
        } else if (!second.empty()) {
            files.push_back(second + tail);
        }
    };
    const std::string home = environment("HOME");
    const auto in_home = [&](const std::string& tail) { return home.empty() ? "" : home + tail; };
    add(environment("REGISTRY_AUTH_FILE"), "", "");
    add(environment("DOCKER_CONFIG"), in_home("/.docker"), "/config.json");
    add(environment("XDG_RUNTIME_DIR") +
            (environment("XDG_RUNTIME_DIR").empty() ? "" : "/containers"),
        "/run/containers/" + std::to_string(::getuid()), "/auth.json");
    add(environment("XDG_CONFIG_HOME"), in_home("/.config"), "/containers/auth.json");
    return files;
}

Result<std::optional<Credentials>> ask_helper(const std::string& name, const std::string& server,
                                              std::chrono::milliseconds time_limit) {
    SpawnOptions options;
    CASEMATE_TRY(options.program, find_helper(name));
    options.arguments = {"get"};
    options.environment = own_environment();
    // A socket, because a helper that is gone would raise a signal on a pipe.
    CASEMATE_TRY(FdPair ends, make_socket_pair(SOCK_STREAM));
    options.standard_input = ends.second.get();
    options.standard_output = ends.second.get();
    const auto deadline = Clock::now() + time_limit;
    CASEMATE_TRY(Process helper, Process::spawn(options));
    ends.second.reset();
    // One that does not want to know the server's name ends its input early.
    (void)write_all(ends.first.get(), as_bytes(server + "\n"));
    ::shutdown(ends.first.get(), SHUT_WR);
    CASEMATE_TRY(const SecretBytes answer, read_answer(name, ends.first.get(), deadline));
    pollfd end{helper.pidfd(), POLLIN, 0};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    while (::poll(&end, 1, static_cast<int>(std::max<long>(left.count(), 0))) < 0 &&
           errno == EINTR) {
    }
    if (end.revents == 0) {
        return helper_error(name, "a program that does not end");
    }
    CASEMATE_TRY(const ExitStatus status, helper.wait());
    if (status.exit_code != 0) {
        if (as_text(answer.view()).find(kNothingKnown) != std::string_view::npos) {
            return std::optional<Credentials>();
        }
        return helper_error(name, status.text());
    }
    auto credentials = parse_helper_answer(answer.view());
    if (!credentials) {
        return std::move(credentials).error().while_doing("docker-credential-" + name);
    }
    return std::optional(std::move(*credentials));
}

Result<std::optional<Credentials>> credentials_for(std::string_view name) {
    const std::string key = credential_key(name);
    for (const std::string& path : credential_files()) {
        auto bytes = read_file(path, kMaxAnswer);
        if (!bytes) {
            if (bytes.error().is(Errno{ENOENT}) || bytes.error().is(Errno{ENOTDIR})) {
                continue;
            }
            return std::move(bytes).error();
        }
        const SecretBytes text(std::move(*bytes));
        if (text.empty()) {
            continue;
        }
        auto file = parse_auth_file(text.view());
        if (!file) {
            return std::move(file).error().while_doing("read the credentials in " + path);
        }
        CASEMATE_TRY(std::optional<Credentials> found, credentials_in(std::move(*file), key));
        if (found) {
            return found;
        }
    }
    return std::optional<Credentials>();
}

}  // namespace casemate::image
