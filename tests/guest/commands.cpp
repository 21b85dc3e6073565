#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "pattern.hpp"
#include "peer.hpp"

namespace casemate::guest_peer {

namespace {

std::vector<std::string> words_of(const std::string& line) {
    std::vector<std::string> words;
    std::string word;
    for (const char letter : line + " ") {
        if (letter != ' ') {
            word += letter;
        } else if (!word.empty()) {
            words.push_back(std::move(word));
            word.clear();
        }
    }
    return words;
}

void* spin_for_ever(void*) {
    for (volatile std::uint64_t count = 0;;) {
        count = count + 1;
    }
}

std::uint32_t small(const std::string& text) {
    return static_cast<std::uint32_t>(number(text));
}

// A listener that accepts nobody: its peers are connected all the same.
int idle_listener = -1;

std::string listen_idly(std::uint32_t port) {
    if (idle_listener >= 0) {
        return "error expected unlisten first";
    }
    idle_listener = listen_on(port);
    return "ok";
}

std::string unlisten() {
    close(idle_listener);
    idle_listener = -1;
    return "ok";
}

std::string identity() {
    std::array<char, 4096> folder{};
    std::string text =
        "ok uid " + std::to_string(geteuid()) + " gid " + std::to_string(getegid()) + " groups";
    std::array<gid_t, 64> groups{};
    const int count = getgroups(static_cast<int>(groups.size()), groups.data());
    for (int i = 0; i < count; ++i) {
        text += " " + std::to_string(groups[static_cast<std::size_t>(i)]);
    }
    return text + " cwd " +
           (getcwd(folder.data(), folder.size()) != nullptr ? folder.data() : "unknown");
}

}  // namespace

std::string errno_text(int error) {
    const char* name = strerrorname_np(error);
    return "error errno " + std::to_string(error) + " " + (name != nullptr ? name : "unknown");
}

std::string try_connect(std::uint32_t cid, std::uint32_t port) {
    const int stream = connect_to(cid, port);
    if (stream < 0) {
        return errno_text(errno);
    }
    close(stream);
    return "ok connected";
}

std::string upload(std::uint32_t cid, std::uint32_t port, std::uint64_t bytes) {
    const int stream = connect_to(cid, port);
    if (stream < 0) {
        return errno_text(errno);
    }
    std::array<std::uint8_t, 65536> block;
    for (std::uint64_t offset = 0; offset < bytes;) {
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), bytes - offset));
        fill_pattern(offset, {block.data(), size});
        if (!write_all(stream, block.data(), size)) {
            const int error = errno;
            close(stream);
            return errno_text(error);
        }
        offset += size;
    }
    shutdown(stream, SHUT_WR);
    const std::string answer = read_line(stream);
    close(stream);
    return "ok " + answer;
}

std::string fan_out(std::uint64_t streams, std::uint32_t port) {
    std::vector<int> open;
    std::string failure;
    for (std::uint64_t i = 0; i < streams && failure.empty(); ++i) {
        const int stream = connect_to(kParentCid, port);
        if (stream < 0) {
            failure = errno_text(errno) + " at stream " + std::to_string(i);
        } else {
            open.push_back(stream);
        }
    }
    // All are open at once before the first is used.
    for (std::size_t i = 0; i < open.size() && failure.empty(); ++i) {
        if (!write_text(open[i], "stream " + std::to_string(i) + "\n")) {
            failure = errno_text(errno) + " writing to stream " + std::to_string(i);
        }
        shutdown(open[i], SHUT_WR);
    }
    for (std::size_t i = 0; i < open.size() && failure.empty(); ++i) {
        const std::string answer = read_line(open[i]);
        if (answer != "stream " + std::to_string(i)) {
            failure = "error expected stream " + std::to_string(i) + " echoed, found " + answer;
        }
    }
    for (const int stream : open) {
        close(stream);
    }
    return failure.empty() ? "ok " + std::to_string(streams) + " streams" : failure;
}

std::string execute(const std::vector<std::string>& words) {
    const std::string verb = words.empty() ? "" : words[0];
    const std::size_t count = words.size();
    if (verb == "connect" && count == 3) {
        return try_connect(small(words[1]), small(words[2]));
    }
    if (verb == "send" && count == 4) {
        return upload(small(words[1]), small(words[2]), number(words[3]));
    }
    if (verb == "fanout" && (count == 2 || count == 3)) {
        return fan_out(number(words[1]), count == 3 ? small(words[2]) : kFanoutPort);
    }
    if (verb == "cpus" && count == 1) {
        return "ok " + std::to_string(get_nprocs());
    }
    if (verb == "nsm" && count >= 2) {
        return nsm_request(words);
    }
    if (verb == "run" && count >= 2) {
        return run_program(words);
    }
    if (verb == "file" && count == 3) {
        return file_contents(words[1], number(words[2]));
    }
    if (verb == "id" && count == 1) {
        return identity();
    }
    if (verb == "env" && count == 2) {
        const char* value = std::getenv(words[1].c_str());
        return value != nullptr ? "ok " + std::string(value) : "error unset";
    }
    if (verb == "say" && count >= 2) {
        std::string text;
        for (std::size_t i = 1; i < count; ++i) {
            text += (i > 1 ? " " : "") + words[i];
        }
        say(text);
        return "ok";
    }
    if (verb == "spin" && count == 1) {
        in_background(spin_for_ever, nullptr);
        return "ok";
    }
    if (verb == "listen" && count == 2) {
        return listen_idly(small(words[1]));
    }
    if (verb == "unlisten" && count == 1) {
        return unlisten();
    }
    if (verb == "orphans" && count == 2) {
        return leave_orphans(number(words[1]));
    }
    if (verb == "deaf" && count == 1) {
        return std::signal(SIGTERM, SIG_IGN) == SIG_ERR ? errno_text(errno) : "ok";
    }
    if (verb == "panic" && count == 1) {
        return panic_kernel();
    }
    return "error expected connect CID PORT, send CID PORT BYTES, fanout N [PORT], cpus, nsm "
           "describe|pcr N|random|raw HEX|nothing|time COUNT HEX, run PROGRAM [ARGUMENT]..., file "
           "PATH BYTES, id, env NAME, say TEXT, spin, listen PORT, unlisten, orphans N, deaf, "
           "panic, abort or exit N";
}

void commands(int stream, std::uint64_t) {
    for (;;) {
        const std::vector<std::string> words = words_of(read_line(stream));
        if (words.empty()) {
            return;
        }
        // These two end the process, so their answer goes before, and waits until it has arrived:
        // the peer closes its end when it has read it.
        const bool ends = words[0] == "exit" || words[0] == "abort";
        if (!write_text(stream, (ends ? std::string("ok") : execute(words)) + "\n") && !ends) {
            return;
        }
        if (ends) {
            pollfd entry{stream, POLLIN | POLLRDHUP, 0};
            poll(&entry, 1, 2000);
            if (words[0] == "abort") {
                std::abort();
            }
            std::_Exit(words.size() > 1 ? static_cast<int>(number(words[1])) : 0);
        }
    }
}

}  // namespace casemate::guest_peer
