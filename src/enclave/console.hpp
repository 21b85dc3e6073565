// The console of an enclave in debug mode: kept from its first byte, replayed to each reader.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/bytes.hpp"
#include "base/event_loop.hpp"
#include "base/fd.hpp"
#include "base/result.hpp"

namespace casemate::enclave {

// How many bytes of the console are kept for readers that come later.
inline constexpr std::size_t kConsoleRing = std::size_t{1} << 20U;
// The longest console.log and log file, in bytes; what comes later is not written.
inline constexpr std::uint64_t kMaxLogSize = std::uint64_t{16} << 20U;
inline constexpr std::size_t kMaxConsoleReaders = 32;

// Ring keeps the last bytes of a stream. Positions count from the stream's first byte.
class Ring {
public:
    explicit Ring(std::size_t capacity) : bytes_(capacity) {}

    void append(ByteView bytes);
    // begin is the position of the oldest byte that is kept, end that of the next to come.
    [[nodiscard]] std::uint64_t begin() const {
        return end_ > bytes_.size() ? end_ - bytes_.size() : 0;
    }
    [[nodiscard]] std::uint64_t end() const { return end_; }
    // view gives kept bytes from position on, in one piece, so not always all of them; empty when
    // position is end(). The position must not be below begin().
    [[nodiscard]] ByteView view(std::uint64_t position) const;

private:
    Bytes bytes_;
    std::uint64_t end_ = 0;
};

// CappedFile appends to a file up to kMaxLogSize, then says so in it, once. A full disk loses
// lines, never the enclave.
class CappedFile {
public:
    CappedFile() = default;
    explicit CappedFile(UniqueFd file) : file_(std::move(file)) {}
    void write(ByteView bytes);
    [[nodiscard]] int fd() const { return file_.get(); }

private:
    UniqueFd file_;
    std::uint64_t size_ = 0;
    bool full_ = false;
};

// PipeReader hands what is written to a pipe to a function, on the event loop.
class PipeReader {
public:
    explicit PipeReader(EventLoop& loop) : loop_(&loop) {}
    PipeReader(const PipeReader&) = delete;
    PipeReader& operator=(const PipeReader&) = delete;
    ~PipeReader() { close(); }

    // open makes the pipe and gives its writing end; that end blocks, as writers expect.
    [[nodiscard]] Result<UniqueFd> open(std::function<void(ByteView)> sink);
    // watch does the same for a pipe that is there: its non-blocking reading end.
    [[nodiscard]] Result<> watch(UniqueFd pipe, std::function<void(ByteView)> sink);
    // drain reads what has already been written.
    void drain();
    void close();

private:
    void read_once_or_close(bool& more);

    EventLoop* loop_;
    UniqueFd pipe_;
    std::function<void(ByteView)> sink_;
};

// Console: the ring, its file and its readers. A reader that does not read loses the oldest bytes,
// and is told so in the stream; it never makes anybody wait.
class Console {
public:
    explicit Console(EventLoop& loop) : loop_(&loop) {}
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;
    ~Console();

    void write_to_file_too(CappedFile file) { file_ = std::move(file); }
    void append(ByteView bytes);
    // add_reader takes a connected stream socket. Errno EMFILE: there are kMaxConsoleReaders.
    [[nodiscard]] Result<> add_reader(UniqueFd socket);
    // finish: no more bytes come; each reader's socket is closed when it has got everything.
    void finish();
    [[nodiscard]] bool has_readers() const { return !readers_.empty(); }

private:
    struct Reader {
        UniqueFd socket;
        std::uint64_t position = 0;
        std::string note;
    };

    void handle(int socket, std::uint32_t events);
    void push(Reader& reader);
    [[nodiscard]] bool write_some(Reader& reader, ByteView bytes, std::size_t& written) const;
    void drop(int socket);

    EventLoop* loop_;
    Ring ring_{kConsoleRing};
    CappedFile file_;
    std::map<int, std::unique_ptr<Reader>> readers_;
    bool finished_ = false;
};

}  // namespace casemate::enclave
