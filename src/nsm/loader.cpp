#include "nsm/loader.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "eif/measure.hpp"
#include "eif/reader.hpp"
#include "eif/signing.hpp"
#include "machine/errors.hpp"
#include "machine/guest_memory.hpp"
#include "machine/kernel_image.hpp"

namespace casemate::nsm {

namespace {

using eif::Section;
using eif::SectionType;
using machine::GuestRange;
using machine::KernelImage;

// Small enough to stay in the second-level cache between copying and hashing.
constexpr std::uint64_t kChunk = 512ULL << 10U;
static_assert(kChunk >= machine::kKernelHeadSize);
// No x86 kernel takes more; what this kernel takes is checked at the end.
constexpr std::uint64_t kMaxCommandLine = 4095;

std::uint64_t total_size(const eif::Index& index, SectionType type) {
    std::uint64_t total = 0;
    for (const Section& section : index.sections) {
        // Sections lie in one file, so their sizes add up to less than 64 bits.
        total += section.type == type ? section.size : 0;
    }
    return total;
}

// pages gives the pages that a range touches, as one range.
GuestRange pages(std::uint64_t address, std::uint64_t size) {
    const std::uint64_t begin = address & ~(machine::kPageSize - 1);
    const std::uint64_t end = (address + size + machine::kPageSize - 1) & ~(machine::kPageSize - 1);
    return {begin, end - begin};
}

// in_order sorts ranges and joins those that touch or overlap.
std::vector<GuestRange> in_order(std::vector<GuestRange> ranges) {
    std::sort(ranges.begin(), ranges.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
    std::vector<GuestRange> joined;
    for (const GuestRange& range : ranges) {
        if (range.size == 0) {
            continue;
        }
        if (!joined.empty() && range.address <= joined.back().address + joined.back().size) {
            const std::uint64_t end =
                std::max(joined.back().address + joined.back().size, range.address + range.size);
            joined.back().size = end - joined.back().address;
        } else {
            joined.push_back(range);
        }
    }
    return joined;
}

class Loader {
public:
    Loader(int file, eif::Index index, machine::GuestMemory memory, crypto::Seconds now)
        : file_(file),
          index_(std::move(index)),
          memory_(std::move(memory)),
          now_(now),
          measurer_(index_),
          buffer_(kChunk) {}

    Result<Loaded> run() {
        for (const Section& section : index_.sections) {
            CASEMATE_CHECK(measurer_.begin(section));
            CASEMATE_CHECK(take(section));
        }
        CASEMATE_TRY(const eif::Measured measured, measurer_.finish());
        if (!measured.crc_matches) {
            return Error(NsmErrc::bad_image, "expected CRC " + hex(index_.header.crc) +
                                                 " as in the header, found " + hex(measured.crc));
        }
        return finish(measured.measurements);
    }

private:
    static std::string hex(std::uint32_t value) {
        Bytes bytes;
        ByteWriter(bytes).put_be(value);
        return to_hex(bytes);
    }

    Result<> take(const Section& section) {
        switch (section.type) {
            case SectionType::kernel:
                return take_kernel(section);
            case SectionType::ramdisk:
                return take_ramdisk(section);
            case SectionType::cmdline:
                return take_command_line(section);
            case SectionType::signature:
                return take_signature(section);
            case SectionType::metadata:
                break;
        }
        return in_chunks(section, [](std::uint64_t, ByteView) { return Result<>(); });
    }

    // in_chunks reads a section through the buffer, has it measured, and shows each chunk with its
    // offset in the section.
    template <class Visit>
    Result<> in_chunks(const Section& section, Visit visit) {
        for (std::uint64_t done = 0; done < section.size;) {
            const std::uint64_t size = std::min(kChunk, section.size - done);
            const auto chunk = MutableBytes(buffer_).first(static_cast<std::size_t>(size));
            CASEMATE_CHECK(read_exactly_at(file_, section.data_offset + done, chunk));
            CASEMATE_CHECK(measurer_.update(chunk));
            CASEMATE_CHECK(visit(done, chunk));
            done += size;
        }
        return {};
    }

    Result<> take_command_line(const Section& section) {
        if (section.size > kMaxCommandLine) {
            return too_long(section.size, kMaxCommandLine);
        }
        return in_chunks(section, [this](std::uint64_t, ByteView chunk) {
            image_.command_line = as_text(chunk);
            return Result<>();
        });
    }

    // The reader has limited it to 32 KiB.
    Result<> take_signature(const Section& section) {
        signature_.emplace();
        return in_chunks(section, [this](std::uint64_t, ByteView chunk) {
            signature_->insert(signature_->end(), chunk.begin(), chunk.end());
            return Result<>();
        });
    }

    // judge_signature gives register 8, if there is a signature and it is good.
    Result<std::optional<PcrValue>> judge_signature(const PcrValue& pcr0) const {
        if (!signature_) {
            return std::optional<PcrValue>();
        }
        CASEMATE_TRY(const crypto::Certificate signer, eif::verify_signature(*signature_, pcr0));
        CASEMATE_CHECK(eif::check_validity(signer, now_));
        return std::optional<PcrValue>(eif::certificate_register(signer));
    }

    static Error too_long(std::uint64_t size, std::uint64_t limit) {
        return {NsmErrc::bad_image, "expected a command line of at most " + std::to_string(limit) +
                                        " bytes, found " + std::to_string(size)};
    }

    Result<> take_kernel(const Section& section) {
        if (section.size == 0) {
            return Error(NsmErrc::bad_image, "the kernel is empty");
        }
        return in_chunks(section, [&](std::uint64_t offset, ByteView chunk) -> Result<> {
            if (offset == 0) {
                CASEMATE_CHECK(plan(chunk, section.size));
            }
            return copy_segments(offset, chunk);
        });
    }

    // plan decides where everything goes, by the kernel's head.
    Result<> plan(ByteView first_chunk, std::uint64_t kernel_size) {
        const ByteView head =
            first_chunk.first(std::min(first_chunk.size(), machine::kKernelHeadSize));
        CASEMATE_TRY(kernel_, machine::parse_kernel(head, kernel_size));
        const std::uint64_t ramdisks = total_size(index_, SectionType::ramdisk);
        CASEMATE_TRY(image_.initrd, machine::place_initrd(*kernel_, ramdisks, memory_.size()));
        next_ramdisk_ = image_.initrd.address;
        return {};
    }

    // copy_segments copies what a chunk of the kernel's file holds of each segment.
    Result<> copy_segments(std::uint64_t offset, ByteView chunk) {
        for (const KernelImage::Segment& segment : kernel_->segments) {
            const std::uint64_t begin = std::max(offset, segment.file_offset);
            const std::uint64_t end =
                std::min(offset + chunk.size(), segment.file_offset + segment.file_size);
            if (begin >= end) {
                continue;
            }
            CASEMATE_TRY(
                const MutableBytes to,
                memory_.slice(segment.address + (begin - segment.file_offset), end - begin));
            const ByteView from =
                chunk.subspan(static_cast<std::size_t>(begin - offset), to.size());
            std::copy(from.begin(), from.end(), to.begin());
        }
        return {};
    }

    // A ramdisk is read to its place at once and measured there: nothing runs yet that could change
    // it in between.
    Result<> take_ramdisk(const Section& section) {
        for (std::uint64_t done = 0; done < section.size;) {
            const std::uint64_t size = std::min(kChunk, section.size - done);
            CASEMATE_TRY(const MutableBytes to, memory_.slice(next_ramdisk_, size));
            CASEMATE_CHECK(read_exactly_at(file_, section.data_offset + done, to));
            CASEMATE_CHECK(measurer_.update(to));
            next_ramdisk_ += size;
            done += size;
        }
        return {};
    }

    Result<Loaded> finish(const eif::Measurements& measurements) {
        if (image_.command_line.size() > kernel_->command_line_limit) {
            return too_long(image_.command_line.size(), kernel_->command_line_limit);
        }
        image_.entry = kernel_->entry;
        image_.setup_header = kernel_->setup_header;
        std::vector<GuestRange> written;
        for (const KernelImage::Segment& segment : kernel_->segments) {
            if (segment.file_size > 0) {
                written.push_back(pages(segment.address, segment.file_size));
            }
        }
        if (image_.initrd.size > 0) {
            written.push_back(pages(image_.initrd.address, image_.initrd.size));
        }
        image_.loaded = in_order(std::move(written));
        Loaded loaded;
        loaded.image = std::move(image_);
        loaded.measurements = {
            {0, measurements.pcr0}, {1, measurements.pcr1}, {2, measurements.pcr2}};
        CASEMATE_TRY(const std::optional<PcrValue> pcr8, judge_signature(measurements.pcr0));
        if (pcr8) {
            loaded.measurements.emplace(8, *pcr8);
        }
        return loaded;
    }

    int file_;
    eif::Index index_;
    machine::GuestMemory memory_;
    crypto::Seconds now_;
    eif::Measurer measurer_;
    Bytes buffer_;
    machine::BootImage image_;
    std::optional<KernelImage> kernel_;
    std::uint64_t next_ramdisk_ = 0;
    // signature_ is the data of the signature section, as it was measured.
    std::optional<Bytes> signature_;
};

// Before anything is mapped or read: images that can't fit whatever their kernel says.
Result<> check_sizes(const eif::Index& index, std::uint64_t memory_bytes) {
    const std::uint64_t ramdisks = total_size(index, SectionType::ramdisk);
    if (ramdisks > memory_bytes) {
        return Error(NsmErrc::memory_too_small, "the ramdisks need " + std::to_string(ramdisks) +
                                                    " bytes, the enclave has " +
                                                    std::to_string(memory_bytes));
    }
    return {};
}

}  // namespace

Result<Loaded> load(int eif, int memory_file, std::uint64_t memory_bytes, crypto::Seconds now) {
    CASEMATE_TRY(eif::Index index, eif::read_index(eif));
    if (index.header.architecture != eif::Architecture::x86_64) {
        return Error(NsmErrc::bad_image, "expected an image for x86_64, found one for aarch64");
    }
    CASEMATE_CHECK(check_sizes(index, memory_bytes));
    CASEMATE_TRY(auto memory, machine::GuestMemory::map(memory_file, memory_bytes));
    return Loader(eif, std::move(index), std::move(memory), now).run();
}

Refused refusal(const Error& error) {
    RefusalKind kind = RefusalKind::bad_image;
    if (error.is(NsmErrc::memory_too_small) || error.is(machine::MachineErrc::too_large)) {
        kind = RefusalKind::memory_too_small;
    } else if (error.is(eif::EifErrc::bad_signature) || error.is(eif::EifErrc::signature_refused) ||
               error.code_as<crypto::CryptoErrc>()) {
        kind = RefusalKind::bad_signature;
    } else if (error.code_as<Errno>() || error.is(machine::MachineErrc::bad_range)) {
        kind = RefusalKind::input_output;
    }
    return {kind, error.message()};
}

}  // namespace casemate::nsm
