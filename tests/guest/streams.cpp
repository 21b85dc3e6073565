#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>
// After sys/socket.h, which it needs and does not include.
#include <linux/vm_sockets.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "pattern.hpp"
#include "peer.hpp"

namespace casemate::guest_peer {

namespace {

constexpr std::size_t kBlock = 64UL << 10U;
constexpr std::size_t kStack = 256UL << 10U;
constexpr int kBacklog = 4096;

struct Service {
    int descriptor;
    Handler handler;
    std::uint64_t parameter;
};

[[noreturn]] void give_up(const std::string& what) {
    say("expected " + what + ", found " + std::strerror(errno));
    std::exit(1);
}

void* serve_stream(void* argument) {
    const Service service = *static_cast<Service*>(argument);
    delete static_cast<Service*>(argument);
    service.handler(service.descriptor, service.parameter);
    close(service.descriptor);
    return nullptr;
}

void* serve_port(void* argument) {
    const Service service = *static_cast<Service*>(argument);
    delete static_cast<Service*>(argument);
    serve_listener(service.descriptor, service.handler, service.parameter);
}

sockaddr_vm address_of(std::uint32_t cid, std::uint32_t port) {
    sockaddr_vm address{};
    address.svm_family = AF_VSOCK;
    address.svm_cid = cid;
    address.svm_port = port;
    return address;
}

ssize_t read_block(int stream, void* out, std::size_t size) {
    ssize_t got = -1;
    do {
        got = recv(stream, out, size, 0);
    } while (got < 0 && errno == EINTR);
    return got;
}

}  // namespace

void say(const std::string& sentence) {
    std::fprintf(stderr, "guest-peer: %s\n", sentence.c_str());
}

std::uint64_t number(std::string_view text) {
    const std::string digits(text);
    char* end = nullptr;
    const unsigned long long value = std::strtoull(digits.c_str(), &end, 10);
    if (digits.empty() || *end != '\0') {
        say("expected a number, found \"" + digits + "\"");
        std::exit(2);
    }
    return value;
}

void in_background(void* (*function)(void*), void* argument) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStack);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread{};
    errno = pthread_create(&thread, &attributes, function, argument);
    if (errno != 0) {
        give_up("a new thread");
    }
    pthread_attr_destroy(&attributes);
}

int listen_on(std::uint32_t port) {
    const int listener = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_vm address = address_of(VMADDR_CID_ANY, port);
    if (listener < 0 ||
        bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        listen(listener, kBacklog) != 0) {
        give_up("to listen on vsock port " + std::to_string(port));
    }
    return listener;
}

void serve_listener(int listener, Handler handler, std::uint64_t parameter) {
    for (;;) {
        const int stream = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (stream >= 0) {
            in_background(serve_stream, new Service{stream, handler, parameter});
        } else if (errno != EINTR && errno != ECONNABORTED) {
            give_up("to accept a stream");
        }
    }
}

void serve_in_background(std::uint32_t port, Handler handler, std::uint64_t parameter) {
    in_background(serve_port, new Service{listen_on(port), handler, parameter});
}

int connect_to(std::uint32_t cid, std::uint32_t port) {
    const int stream = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_vm address = address_of(cid, port);
    if (stream >= 0 &&
        connect(stream, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
        const int error = errno;
        close(stream);
        errno = error;
        return -1;
    }
    return stream;
}

bool write_all(int stream, const void* bytes, std::size_t size) {
    const char* rest = static_cast<const char*>(bytes);
    while (size > 0) {
        const ssize_t sent = send(stream, rest, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        rest += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

bool write_text(int stream, std::string_view text) {
    return write_all(stream, text.data(), text.size());
}

std::string read_line(int stream) {
    constexpr std::size_t kMaxLine = 32768;
    std::string line;
    char letter = 0;
    while (line.size() < kMaxLine && read_block(stream, &letter, 1) == 1 && letter != '\n') {
        line += letter;
    }
    return line;
}

void echo(int stream, std::uint64_t) {
    std::array<std::uint8_t, kBlock> block;
    for (ssize_t size = 0; (size = read_block(stream, block.data(), block.size())) > 0;) {
        if (!write_all(stream, block.data(), static_cast<std::size_t>(size))) {
            return;
        }
    }
    shutdown(stream, SHUT_WR);
}

void sink(int stream, std::uint64_t) {
    std::array<std::uint8_t, kBlock> block;
    std::uint64_t length = 0;
    uLong sum = crc32(0, nullptr, 0);
    for (ssize_t size = 0; (size = read_block(stream, block.data(), block.size())) > 0;) {
        sum = crc32(sum, block.data(), static_cast<uInt>(size));
        length += static_cast<std::uint64_t>(size);
    }
    std::array<char, 64> answer{};
    std::snprintf(answer.data(), answer.size(), "%08lx %llu\n", sum,
                  static_cast<unsigned long long>(length));
    write_text(stream, answer.data());
    shutdown(stream, SHUT_WR);
}

void source(int stream, std::uint64_t bytes) {
    std::array<std::uint8_t, kBlock> block;
    for (std::uint64_t offset = 0; offset < bytes;) {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, bytes - offset));
        fill_pattern(offset, {block.data(), size});
        if (!write_all(stream, block.data(), size)) {
            return;
        }
        offset += size;
    }
    shutdown(stream, SHUT_WR);
    // The peer's end is awaited: closing earlier could overtake what is still on its way.
    while (read_block(stream, block.data(), block.size()) > 0) {
    }
}

void requested_source(int stream, std::uint64_t) {
    const std::string line = read_line(stream);
    char* end = nullptr;
    const unsigned long long bytes = std::strtoull(line.c_str(), &end, 10);
    if (line.empty() || *end != '\0') {
        write_text(stream, "error expected a decimal number of bytes\n");
        return;
    }
    source(stream, bytes);
}

}  // namespace casemate::guest_peer
