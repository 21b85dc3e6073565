// Writing an image and measuring it while it is written.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "eif/format.hpp"
#include "eif/measure.hpp"

namespace casemate::eif {

// Builder writes an image to a file, section after section, in the order of the calls (AWS's is
// kernel, command line, metadata, ramdisks, signature: formats.md 1.2). Sizes need not be known
// before. Hashing goes on in threads of its own, behind queues of a few MiB, while the caller makes
// the next bytes; memory does not grow with the image.
class Builder {
public:
    // SignatureMaker gives the data of the signature section of an image with this PCR0.
    using SignatureMaker = std::function<Result<Bytes>(const crypto::Digest384& pcr0)>;

    // create starts an image at offset 0 of fd, an empty file open for writing that stays the
    // caller's and must outlive the builder. header.crc is computed. Errors: EifErrc unsupported
    // for a version that is not 2 to 4.
    [[nodiscard]] static Result<Builder> create(int fd, const Header& header = {});
    Builder(Builder&&) noexcept;
    Builder& operator=(Builder&&) noexcept;
    Builder(const Builder&) = delete;
    Builder& operator=(const Builder&) = delete;
    ~Builder();

    // begin ends the section before, if any, and starts one. Errors: EifErrc bad_sections for a
    // section that the format forbids here; Errno when writing fails (a full disk).
    [[nodiscard]] Result<> begin(SectionType type);
    // write adds data to the section. Errors: as begin; EifErrc misuse when none was begun.
    [[nodiscard]] Result<> write(ByteView bytes);
    // add is begin and write of a whole section.
    [[nodiscard]] Result<> add(SectionType type, ByteView bytes);

    struct Built {
        Index index;
        Measurements measurements;
    };
    // finish writes the signature section, if there is somebody to make it, the tables and the CRC.
    // The builder is of no use afterwards. Errors: EifErrc bad_sections when a mandatory section is
    // missing, or there is a signature section already; unsupported for one in version 2;
    // bad_signature for a signature section whose certificate can't be read; Errno when writing
    // fails; whatever sign gives.
    [[nodiscard]] Result<Built> finish(const SignatureMaker& sign = {});

private:
    struct State;
    explicit Builder(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace casemate::eif
