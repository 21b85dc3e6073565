// Measuring an image (formats.md 1.6): PCR0, PCR1, PCR2, PCR8 and the CRC, in one pass.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/digest.hpp"
#include "eif/format.hpp"

namespace casemate::eif {

// Measurements: the registers that identify an image.
struct Measurements {
    crypto::Digest384 pcr0{};
    crypto::Digest384 pcr1{};
    crypto::Digest384 pcr2{};
    // pcr8 is there when the image has a signature section.
    std::optional<crypto::Digest384> pcr8;

    bool operator==(const Measurements&) const = default;
};

// Measured: the registers, and the checksum that was computed on the way.
struct Measured {
    Measurements measurements;
    std::uint32_t crc = 0;
    // crc_matches: the computed checksum is the header's. An image without it must not be started.
    bool crc_matches = false;
};

// Measurer is fed the data of each section of an image, in file order, by whoever copies it:
// begin(section), update(bytes)…, and so on for each, then finish. What is measured is exactly what
// was fed. With Threads::two, PCR0 and PCR2 are computed at the same time; one is for processes
// that may not start a thread.
class Measurer {
public:
    enum class Threads : std::uint8_t { one, two };

    explicit Measurer(Index index, Threads threads = Threads::two);
    Measurer(Measurer&&) noexcept;
    Measurer& operator=(Measurer&&) noexcept;
    Measurer(const Measurer&) = delete;
    Measurer& operator=(const Measurer&) = delete;
    ~Measurer();

    // begin fails with EifErrc misuse unless it is the turn of this section and the one before was
    // fed whole.
    [[nodiscard]] Result<> begin(const Section& section);
    // update fails with EifErrc misuse for more bytes than the section has. The bytes are only read
    // during the call.
    [[nodiscard]] Result<> update(ByteView bytes);
    // update_later is update for bytes that stay what they are: with two threads it does not wait
    // until they have been hashed, but for room in a queue of a few pieces.
    [[nodiscard]] Result<> update_later(std::shared_ptr<const Bytes> bytes);
    // finish fails with EifErrc misuse when something was not fed, and with bad_signature when
    // there is a signature section whose certificate can't be read.
    [[nodiscard]] Result<Measured> finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

// measure reads and measures every section of an image in a seekable file, on two threads, with a
// few MiB of memory. A wrong CRC is told by Measured, not an error. progress (may be empty) is told
// of the bytes done of the sections' total. Errors: those of read_index and Measurer, and Errno
// when reading fails.
using MeasureProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;
[[nodiscard]] Result<Measured> measure(int fd);
[[nodiscard]] Result<Measured> measure(int fd, const Index& index,
                                       const MeasureProgress& progress = {});

}  // namespace casemate::eif
