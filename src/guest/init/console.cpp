#include "guest/init/console.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <string>

#include "guest/init/text.hpp"

namespace casemate::guest {

namespace {

constexpr std::size_t kMaxSentence = 1024;

int open_stream() {
    constexpr int kFlags = O_RDWR | O_NOCTTY | O_CLOEXEC;
    int fd = open("/dev/console", kFlags);
    if (fd < 0 && errno == ENOENT) {
        // No devtmpfs: a node of our own on the ramdisk, so that the failure can be told.
        if (mknod("/dev/console", S_IFCHR | 0600, makedev(5, 1)) == 0) {
            fd = open("/dev/console", kFlags);
        }
    }
    return fd >= 0 ? fd : open("/dev/null", kFlags);
}

}  // namespace

void open_console() {
    const int fd = open_stream();
    if (fd < 0) {
        return;
    }
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
        if (stream != fd) {
            dup2(fd, stream);
        } else {
            fcntl(fd, F_SETFD, 0);
        }
    }
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

void say(std::string_view sentence) {
    const std::string line = "casemate-init: " + printable(sentence, kMaxSentence) + "\n";
    std::string_view rest = line;
    while (!rest.empty()) {
        const ssize_t written = write(STDERR_FILENO, rest.data(), rest.size());
        if (written <= 0) {
            return;
        }
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
}

void drain_console() {
    tcdrain(STDERR_FILENO);
}

}  // namespace casemate::guest
