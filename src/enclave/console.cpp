#include "enclave/console.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/os_error.hpp"

namespace casemate::enclave {

void Ring::append(ByteView bytes) {
    if (bytes.size() > bytes_.size()) {
        end_ += bytes.size() - bytes_.size();
        bytes = bytes.last(bytes_.size());
    }
    while (!bytes.empty()) {
        const auto offset = static_cast<std::size_t>(end_ % bytes_.size());
        const std::size_t size = std::min(bytes.size(), bytes_.size() - offset);
        std::copy_n(bytes.begin(), size, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
        bytes = bytes.subspan(size);
        end_ += size;
    }
}

ByteView Ring::view(std::uint64_t position) const {
    const auto offset = static_cast<std::size_t>(position % bytes_.size());
    const auto kept = static_cast<std::size_t>(end_ - position);
    return ByteView(bytes_).subspan(offset, std::min(kept, bytes_.size() - offset));
}

void CappedFile::write(ByteView bytes) {
    if (!file_.valid() || full_) {
        return;
    }
    if (size_ + bytes.size() > kMaxLogSize) {
        full_ = true;
        static_cast<void>(write_all(
            file_.get(), as_bytes("\n[casemate: this file is full, nothing more is kept]\n")));
        return;
    }
    size_ += bytes.size();
    static_cast<void>(write_all(file_.get(), bytes));
}

Result<UniqueFd> PipeReader::open(std::function<void(ByteView)> sink) {
    CASEMATE_TRY(FdPair pipe, make_pipe());
    CASEMATE_CHECK(set_nonblocking(pipe.first.get(), true));
    CASEMATE_CHECK(watch(std::move(pipe.first), std::move(sink)));
    return std::move(pipe.second);
}

Result<> PipeReader::watch(UniqueFd pipe, std::function<void(ByteView)> sink) {
    CASEMATE_CHECK(loop_->add(pipe.get(), EPOLLIN, [this](std::uint32_t) {
        bool more = false;
        read_once_or_close(more);
    }));
    pipe_ = std::move(pipe);
    sink_ = std::move(sink);
    return {};
}

void PipeReader::read_once_or_close(bool& more) {
    std::array<std::uint8_t, 65536> buffer{};
    const auto size = read_some(pipe_.get(), buffer);
    if (!size && size.error().is(static_cast<Errno>(EAGAIN))) {
        more = false;
        return;
    }
    if (!size || *size == 0) {
        close();
        more = false;
        return;
    }
    sink_(ByteView(buffer).first(*size));
    more = true;
}

void PipeReader::drain() {
    // A writer that never stops would keep the end of the enclave waiting.
    constexpr int kMostTurns = 64;
    bool more = true;
    for (int turn = 0; turn < kMostTurns && more && pipe_.valid(); ++turn) {
        read_once_or_close(more);
    }
}

void PipeReader::close() {
    if (pipe_.valid()) {
        loop_->remove(pipe_.get());
        pipe_.reset();
    }
}

Console::~Console() {
    while (!readers_.empty()) {
        drop(readers_.begin()->first);
    }
}

void Console::append(ByteView bytes) {
    ring_.append(bytes);
    file_.write(bytes);
    std::vector<int> sockets;
    sockets.reserve(readers_.size());
    for (const auto& [socket, reader] : readers_) {
        sockets.push_back(socket);
    }
    for (const int socket : sockets) {
        push(*readers_.at(socket));
    }
}

Result<> Console::add_reader(UniqueFd socket) {
    if (readers_.size() >= kMaxConsoleReaders) {
        return os_error("more than " + std::to_string(kMaxConsoleReaders) + " console readers",
                        EMFILE);
    }
    CASEMATE_CHECK(set_nonblocking(socket.get(), true));
    const int fd = socket.get();
    CASEMATE_CHECK(loop_->add(fd, EPOLLIN | EPOLLRDHUP,
                              [this, fd](std::uint32_t events) { handle(fd, events); }));
    auto reader = std::make_unique<Reader>();
    reader->socket = std::move(socket);
    reader->position = ring_.begin();
    Reader& added = *readers_.emplace(fd, std::move(reader)).first->second;
    push(added);
    return {};
}

void Console::handle(int socket, std::uint32_t events) {
    if ((events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0) {
        drop(socket);
        return;
    }
    if ((events & EPOLLIN) != 0) {
        // The console can only be read: what is sent to it is thrown away.
        std::array<std::uint8_t, 4096> ignored{};
        static_cast<void>(read_some(socket, ignored));
    }
    const auto found = readers_.find(socket);
    if (found != readers_.end() && (events & EPOLLOUT) != 0) {
        push(*found->second);
    }
}

bool Console::write_some(Reader& reader, ByteView bytes, std::size_t& written) const {
    const ssize_t sent =
        ::send(reader.socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    written = sent > 0 ? static_cast<std::size_t>(sent) : 0;
    return sent >= 0 || errno == EAGAIN || errno == EINTR;
}

// push writes until the reader has everything (then it is watched for leaving alone) or its socket
// is full (then until it takes more).
void Console::push(Reader& reader) {
    const int socket = reader.socket.get();
    while (true) {
        if (reader.position < ring_.begin()) {
            reader.note += "\n[casemate: " + std::to_string(ring_.begin() - reader.position) +
                           " bytes of the console were lost here]\n";
            reader.position = ring_.begin();
        }
        const ByteView next =
            reader.note.empty() ? ring_.view(reader.position) : as_bytes(reader.note);
        if (next.empty()) {
            break;
        }
        std::size_t written = 0;
        if (!write_some(reader, next, written)) {
            drop(socket);
            return;
        }
        if (written == 0) {
            static_cast<void>(loop_->change(socket, EPOLLIN | EPOLLRDHUP | EPOLLOUT));
            return;
        }
        if (reader.note.empty()) {
            reader.position += written;
        } else {
            reader.note.erase(0, written);
        }
    }
    if (finished_) {
        drop(socket);
        return;
    }
    static_cast<void>(loop_->change(socket, EPOLLIN | EPOLLRDHUP));
}

void Console::drop(int socket) {
    loop_->remove(socket);
    readers_.erase(socket);
}

void Console::finish() {
    finished_ = true;
    append({});
}

}  // namespace casemate::enclave
