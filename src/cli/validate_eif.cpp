#include <fcntl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>

#include "base/fd.hpp"
#include "cli/measurements_json.hpp"
#include "cli/verbs.hpp"
#include "crypto/certificate.hpp"
#include "eif/kernel_kind.hpp"
#include "eif/ramdisk_scan.hpp"
#include "eif/reader.hpp"
#include "eif/signing.hpp"
#include "enclave/configuration.hpp"
#include "enclave/errors.hpp"
#include "kms_client/exchange.hpp"
#include "machine/kernel_image.hpp"

namespace casemate::cli {

namespace {

using eif::Section;
using eif::SectionType;

constexpr std::uint64_t kMiB = 1ULL << 20U;
constexpr std::size_t kBufferSize = 1UL << 20U;
// No x86 kernel takes more.
constexpr std::uint64_t kMaxCommandLine = 4095;
constexpr std::size_t kShownCommandLine = 160;
constexpr std::uint32_t kFileTypes = 0170000;
constexpr std::uint32_t kRegularFile = 0100000;
constexpr std::uint32_t kSymbolicLink = 0120000;
constexpr std::uint32_t kExecutable = 0111;

// Finding: what one look at the image gave.
struct Finding {
    std::string check;
    enum class Result : std::uint8_t { ok, note, bad } result = Result::ok;
    std::string detail;
    // code of run-enclave, where result is bad.
    ErrorCode code = ErrorCode::unspecified;
};

std::string_view name(Finding::Result result) {
    constexpr std::array<std::string_view, 3> kNames = {"ok", "note", "bad"};
    return kNames.at(static_cast<std::size_t>(result));
}

std::string mebibytes(std::uint64_t bytes) {
    return bytes < kMiB ? std::to_string(bytes) + " bytes" : std::to_string(bytes / kMiB) + " MiB";
}

// Validation: one image, looked at from all sides. Each check adds a finding; checks that need
// what another found wrong are left out.
class Validation {
public:
    explicit Validation(const ValidateEifArguments& arguments) : arguments_(arguments) {}

    // run gives an error only where the image can't be read.
    Result<> run(int fd) {
        fd_ = fd;
        CASEMATE_TRY(size_, file_size(fd));
        check_request();
        auto index = eif::read_index(fd);
        if (!index) {
            bad("structure", ErrorCode::eif_parsing, index.error().message());
            return {};
        }
        index_ = std::move(*index);
        const eif::Header& header = index_.header;
        ok("structure", "version " + std::to_string(header.version) + ", " +
                            std::string(eif::name(header.architecture)) + ", " +
                            std::to_string(index_.sections.size()) + " sections, " +
                            mebibytes(size_));
        CASEMATE_CHECK(read_small_sections());
        CASEMATE_CHECK(measure());
        check_architecture();
        check_kernel();
        check_command_line();
        check_ramdisks();
        check_metadata();
        check_signature();
        check_layout();
        return {};
    }

    // failure is what run-enclave would say.
    [[nodiscard]] const Finding* failure() const {
        const Finding* first = nullptr;
        for (const Finding& finding : findings_) {
            // The guest would find out about its ramdisks, after everything else was good.
            if (finding.result == Finding::Result::bad &&
                (first == nullptr || (first->code == ErrorCode::enclave_boot &&
                                      finding.code != ErrorCode::enclave_boot))) {
                first = &finding;
            }
        }
        return first;
    }

    [[nodiscard]] Json json() const {
        Json json = Json::object();
        json.add("EifPath", arguments_.eif_path);
        const Finding* const why = failure();
        json.add("WouldStart", why == nullptr);
        if (why != nullptr) {
            json.add("ErrorCode", label(why->code));
        }
        json.add("MinimumMemoryMiB", minimum_mib_);
        if (measurements_) {
            json.add("Measurements", measurements_json(*measurements_));
        }
        Json checks = Json::array();
        for (const Finding& finding : findings_) {
            Json one = Json::object();
            one.add("Check", finding.check);
            one.add("Result", name(finding.result));
            one.add("Detail", finding.detail);
            if (finding.result == Finding::Result::bad) {
                one.add("ErrorCode", label(finding.code));
            }
            checks.append(std::move(one));
        }
        json.add("Checks", std::move(checks));
        return json;
    }

    [[nodiscard]] std::string text() const {
        std::size_t width = 0;
        for (const Finding& finding : findings_) {
            width = std::max(width, finding.check.size());
        }
        std::string text;
        const auto line = [&](const std::string& check, std::string_view result,
                              const std::string& detail) {
            text += check + std::string(width + 2 - check.size(), ' ') + std::string(result) +
                    std::string(6 - result.size(), ' ') + detail + "\n";
        };
        for (const Finding& finding : findings_) {
            line(finding.check, name(finding.result), finding.detail);
        }
        const Finding* const why = failure();
        line("start", why == nullptr ? "ok" : "bad",
             why == nullptr ? "would start" : "would fail with " + label(why->code));
        return text;
    }

private:
    void add(std::string check, Finding::Result result, std::string_view detail, ErrorCode code) {
        // What an image says of itself goes to a terminal.
        findings_.push_back({std::move(check), result, kms_client::printable(detail), code});
    }
    void ok(std::string check, std::string_view detail) {
        add(std::move(check), Finding::Result::ok, detail, ErrorCode::unspecified);
    }
    void note(std::string check, std::string_view detail) {
        add(std::move(check), Finding::Result::note, detail, ErrorCode::unspecified);
    }
    void bad(std::string check, ErrorCode code, std::string_view detail) {
        add(std::move(check), Finding::Result::bad, detail, code);
    }
    void bad(std::string check, const Error& error, ErrorCode otherwise) {
        const auto code = error.code_as<enclave::EnclaveErrc>();
        bad(std::move(check), code ? static_cast<ErrorCode>(*code) : otherwise, error.detail());
    }

    // check_request: what run-enclave looks at before the image.
    void check_request() {
        minimum_mib_ = std::max(4 * ((size_ + kMiB - 1) / kMiB), machine::kMinMemory / kMiB);
        if (arguments_.cpu_count) {
            const auto online = enclave::online_cpus();
            const auto chosen =
                online ? enclave::choose_cpus({}, *arguments_.cpu_count, *online) : online;
            if (!chosen) {
                bad("CPUs", chosen.error(), ErrorCode::insufficient_cpus);
            } else {
                ok("CPUs",
                   std::to_string(chosen->size()) + " of " + std::to_string(online->size()));
            }
        }
        if (arguments_.memory_mib) {
            const auto available = enclave::available_memory_mib();
            const auto enough = enclave::check_memory(
                size_, *arguments_.memory_mib, available ? *available : *arguments_.memory_mib);
            if (!enough) {
                bad("memory", enough.error(), ErrorCode::insufficient_memory_requested);
            }
        }
    }

    Result<> read_small_sections() {
        for (const auto& [type, limit, to] :
             {std::tuple(SectionType::cmdline, kMaxCommandLine, &command_line_),
              std::tuple(SectionType::metadata, eif::kMaxMetadataSize, &metadata_),
              std::tuple(SectionType::signature, eif::kMaxSignatureSize, &signature_)}) {
            const Section* section = index_.find(type);
            if (section != nullptr && section->size <= limit) {
                CASEMATE_TRY(*to, eif::read_section(fd_, *section, limit));
            }
        }
        return {};
    }

    // first_process is what the kernel starts of its ramdisks (Linux
    // Documentation/admin-guide/kernel-parameters.txt, rdinit).
    [[nodiscard]] std::string first_process() const {
        constexpr std::string_view kOption = "rdinit=";
        std::string path = "/init";
        std::string_view rest = command_line_ ? as_text(*command_line_) : std::string_view();
        while (!rest.empty()) {
            const std::string_view word = rest.substr(0, rest.find(' '));
            rest.remove_prefix(std::min(rest.size(), word.size() + 1));
            if (word.starts_with(kOption) && word.size() > kOption.size()) {
                path = word.substr(kOption.size());
            }
        }
        return path;
    }

    // measure reads the whole image once.
    Result<> measure() {
        eif::Measurer measurer(index_);
        eif::RamdiskScan scan(first_process());
        for (const Section& section : index_.sections) {
            const bool ramdisk = section.type == SectionType::ramdisk;
            CASEMATE_CHECK(measurer.begin(section));
            if (ramdisk) {
                scan.begin();
            }
            for (std::uint64_t done = 0; done < section.size;) {
                const auto piece = std::make_shared<Bytes>(static_cast<std::size_t>(
                    std::min<std::uint64_t>(kBufferSize, section.size - done)));
                CASEMATE_CHECK(read_exactly_at(fd_, section.data_offset + done, *piece));
                CASEMATE_CHECK(measurer.update_later(piece));
                if (ramdisk) {
                    scan.feed(*piece);
                }
                if (section.type == SectionType::kernel && done == 0) {
                    kernel_head_ = *piece;
                }
                done += piece->size();
            }
        }
        ramdisks_ = scan.finish();
        const auto measured = measurer.finish();
        if (!measured) {
            // Only a signature can be wrong here; its own check says how.
            return {};
        }
        measurements_ = measured->measurements;
        if (measured->crc_matches) {
            ok("CRC", "as in the header");
        } else {
            bad("CRC", ErrorCode::eif_parsing,
                "expected the checksum in the header, found another: the image is damaged");
        }
        return {};
    }

    void check_architecture() {
        if (index_.header.architecture == eif::Architecture::x86_64) {
            ok("architecture", "x86_64, as this machine's");
        } else {
            bad("architecture", ErrorCode::eif_parsing,
                "expected an image for x86_64, which this machine starts, found one for aarch64");
        }
    }

    void check_kernel() {
        const std::uint64_t size = index_.find(SectionType::kernel)->size;
        const auto kind = eif::kernel_kind(kernel_head_);
        if (!kind) {
            bad("kernel", ErrorCode::eif_parsing,
                "expected a kernel (bzImage, vmlinux or Image), found something else");
            return;
        }
        const std::string what = std::string(eif::name(*kind)) + " for " +
                                 std::string(eif::name(eif::architecture_of(*kind))) + ", " +
                                 mebibytes(size);
        if (eif::architecture_of(*kind) != index_.header.architecture) {
            bad("kernel", ErrorCode::eif_parsing,
                "expected a kernel for " + std::string(eif::name(index_.header.architecture)) +
                    ", as the header says, found " + what);
            return;
        }
        if (*kind == eif::KernelKind::image) {
            ok("kernel", what);
            return;
        }
        auto kernel = machine::parse_kernel(
            ByteView(kernel_head_).first(std::min(kernel_head_.size(), machine::kKernelHeadSize)),
            size);
        if (!kernel) {
            bad("kernel", ErrorCode::eif_parsing, kernel.error().message());
            return;
        }
        kernel_ = std::move(*kernel);
        ok("kernel", what);
    }

    void check_command_line() {
        const std::uint64_t size = index_.find(SectionType::cmdline)->size;
        const std::uint64_t limit =
            kernel_ ? std::min(kernel_->command_line_limit, kMaxCommandLine) : kMaxCommandLine;
        if (size > limit || !command_line_) {
            bad("command line", ErrorCode::eif_parsing,
                "expected at most " + std::to_string(limit) + " bytes, found " +
                    std::to_string(size));
            return;
        }
        const std::string_view text = as_text(*command_line_);
        if (text.find('\0') != text.npos) {
            note("command line", "ends for the kernel at a NUL inside of it");
        } else if (text.empty()) {
            note("command line", "empty");
        } else {
            ok("command line", text.size() > kShownCommandLine
                                   ? std::string(text.substr(0, kShownCommandLine)) + "..."
                                   : std::string(text));
        }
    }

    void check_ramdisks() {
        for (std::size_t i = 0; i < ramdisks_.ramdisks.size(); ++i) {
            const eif::RamdiskScan::Ramdisk& one = ramdisks_.ramdisks[i];
            ok("ramdisk " + std::to_string(i),
               one.format.empty() ? "nothing that begins here"
                                  : one.format + ", " + std::to_string(one.entries) +
                                        (one.entries == 1 ? " entry" : " entries"));
        }
        const std::string path = first_process();
        const std::string about = ramdisks_.nsm_module
                                      ? "; nsm.ko beside it"
                                      : "; no nsm.ko, so the kernel needs a driver of its own";
        if (ramdisks_.init_mode) {
            const std::uint32_t mode = *ramdisks_.init_mode;
            const std::string where =
                path + " in ramdisk " + std::to_string(ramdisks_.init_ramdisk);
            if ((mode & kFileTypes) == kSymbolicLink) {
                note("init", where + " is a symbolic link" + about);
            } else if ((mode & kFileTypes) != kRegularFile || (mode & kExecutable) == 0) {
                bad("init", ErrorCode::enclave_boot,
                    "expected a program, found that " + where + " can't be executed");
            } else {
                ok("init", where + about);
            }
        } else if (ramdisks_.closed && !ramdisks_.fault) {
            note("init", "may be in a ramdisk whose compression is not looked into");
        } else {
            bad("init", ErrorCode::enclave_boot,
                "expected " + path + " in the ramdisks, found none");
        }
        if (ramdisks_.fault) {
            // The kernel says so on its console and goes on with what it has.
            note("ramdisks", *ramdisks_.fault);
        }
    }

    void check_metadata() {
        const Section* section = index_.find(SectionType::metadata);
        if (section == nullptr) {
            note("metadata", "none: the format had none before version 4");
            return;
        }
        if (!metadata_) {
            bad("metadata", ErrorCode::eif_parsing,
                "expected at most " + std::to_string(eif::kMaxMetadataSize) + " bytes, found " +
                    std::to_string(section->size));
            return;
        }
        const auto metadata = eif::parse_metadata(*metadata_);
        if (!metadata) {
            bad("metadata", ErrorCode::eif_parsing, metadata.error().message());
            return;
        }
        ok("metadata", metadata->image_name + " " + metadata->image_version + ", built " +
                           metadata->build_time + " by " + metadata->build_tool + " " +
                           metadata->build_tool_version + ", " + metadata->operating_system + " " +
                           metadata->kernel_version);
    }

    void check_signature() {
        if (!signature_) {
            note("signature", "none: PCR8 will be zero");
            return;
        }
        if (!measurements_) {
            // What can be read of the section says more than that it can't be measured.
            const auto why = eif::verify_signature(*signature_, {});
            bad("signature", ErrorCode::eif_signature,
                why ? "expected a certificate" : why.error().detail());
            return;
        }
        const auto signer = eif::verify_signature(*signature_, measurements_->pcr0);
        if (!signer) {
            bad("signature", ErrorCode::eif_signature, signer.error().detail());
            return;
        }
        const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
        if (const auto valid = eif::check_validity(*signer, now); !valid) {
            bad("signature", ErrorCode::eif_signature, valid.error().detail());
            return;
        }
        const auto fields = signer->fields();
        const auto text = signer->text();
        if (!fields || !text) {
            bad("signature", ErrorCode::eif_signature, "expected a certificate that can be read");
            return;
        }
        std::string who;
        for (const auto& [key, value] : text->issuer) {
            who = key == "commonName" ? value : who;
        }
        constexpr std::chrono::days kSoon{30};
        const auto left = std::chrono::floor<std::chrono::days>(fields->not_after - now);
        const std::string detail =
            "of PCR0, by a certificate of " + (who.empty() ? std::string("no name") : who) +
            ", expires in " + std::to_string(left.count()) + (left.count() == 1 ? " day" : " days");
        left < kSoon ? note("signature", detail) : ok("signature", detail);
    }

    [[nodiscard]] bool fits(std::uint64_t mib) const {
        std::uint64_t ramdisks = 0;
        for (const Section& section : index_.sections) {
            ramdisks += section.type == SectionType::ramdisk ? section.size : 0;
        }
        return machine::place_initrd(*kernel_, ramdisks, mib * kMiB).ok();
    }

    // check_layout: kernel and ramdisks have to find room, beside what run-enclave always asks for.
    void check_layout() {
        if (kernel_ && !fits(minimum_mib_)) {
            std::uint64_t enough = machine::kMaxMemory / kMiB;
            if (!fits(enough)) {
                bad("memory", ErrorCode::insufficient_memory_requested,
                    "expected kernel and ramdisks to fit into memory, found that no size will do");
                return;
            }
            for (std::uint64_t little = minimum_mib_; little + 1 < enough;) {
                const std::uint64_t middle = little + (enough - little) / 2;
                (fits(middle) ? enough : little) = middle;
            }
            minimum_mib_ = enough;
        }
        const auto unchecked = std::none_of(findings_.begin(), findings_.end(),
                                            [](const auto& one) { return one.check == "memory"; });
        if (!unchecked) {
            return;
        }
        const std::string needed = "at least " + std::to_string(minimum_mib_) + " MiB";
        if (arguments_.memory_mib && *arguments_.memory_mib < minimum_mib_) {
            bad("memory", ErrorCode::insufficient_memory_requested,
                "expected " + needed + ", found " + std::to_string(*arguments_.memory_mib));
        } else {
            ok("memory", needed);
        }
    }

    const ValidateEifArguments& arguments_;
    int fd_ = -1;
    std::uint64_t size_ = 0;
    eif::Index index_;
    std::optional<Bytes> command_line_;
    std::optional<Bytes> metadata_;
    std::optional<Bytes> signature_;
    Bytes kernel_head_;
    std::optional<machine::KernelImage> kernel_;
    eif::RamdiskScan::Found ramdisks_;
    std::optional<eif::Measurements> measurements_;
    std::uint64_t minimum_mib_ = 0;
    std::vector<Finding> findings_;
};

}  // namespace

int validate_eif(const ValidateEifArguments& arguments, Output& output) {
    output.set_action("Validate EIF");
    const auto fd = open_file(arguments.eif_path, O_RDONLY | O_NONBLOCK);
    if (!fd) {
        return output.fail(ErrorCode::file_operation, "File: '" + arguments.eif_path +
                                                          "', failing operation: 'Open'. " +
                                                          fd.error().message());
    }
    Validation validation(arguments);
    if (const auto done = validation.run(fd->get()); !done) {
        return output.fail(ErrorCode::eif_parsing,
                           arguments.eif_path + ": " + done.error().message());
    }
    const int status =
        arguments.json ? output.result(validation.json()) : output.text(validation.text());
    const Finding* const failure = validation.failure();
    if (status != 0 || failure == nullptr) {
        return status;
    }
    return output.fail(failure->code,
                       arguments.eif_path + ": " + failure->check + ": " + failure->detail);
}

}  // namespace casemate::cli
