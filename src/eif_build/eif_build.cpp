#include "eif_build/eif_build.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <ostream>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "cli/interruption.hpp"
#include "cli/json_output.hpp"
#include "cli/measurements_json.hpp"
#include "cli/output.hpp"
#include "cli/signing.hpp"
#include "codec/utf8.hpp"
#include "crypto/digest.hpp"
#include "eif/builder.hpp"
#include "eif/kernel_kind.hpp"
#include "eif/metadata.hpp"
#include "eif_build/arguments.hpp"

namespace casemate::eif_build {

namespace {

using cli::Json;
using eif::EifErrc;
using eif::SectionType;

constexpr std::size_t kBufferSize = 1UL << 20U;
constexpr std::uint64_t kMaxConfigFile = 4ULL << 20U;

std::string file_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

// Linux takes ramdisks as cpio archives (newc, crc) and compressed ones (lib/decompress.c).
bool is_ramdisk(ByteView head) {
    constexpr std::string_view kMarks[] = {
        "070701", "070702",      "\x1f\x8b", "\x1f\x9e",     "BZh",
        "\x5d",   "\xfd\x37zXZ", "\x89LZO",  "\x02\x21\x4c", "\x28\xb5\x2f\xfd"};
    const std::string_view text = as_text(head);
    for (const std::string_view mark : kMarks) {
        if (text.starts_with(mark)) {
            return true;
        }
    }
    return false;
}

// Registers: what an image measures with a digest other than SHA-384. Enclaves are measured with
// that alone, so nothing but this program's output has them.
template <class Hasher>
class Registers {
public:
    Result<Json> measure(int fd, const eif::Index& index, std::string_view algorithm,
                         const crypto::Certificate* signer) {
        Json json = Json::object();
        json.add("HashAlgorithm", std::string(algorithm) + " { ... }");
        for (const eif::Section& section : index.sections) {
            CASEMATE_CHECK(add(fd, section));
        }
        json.add("PCR0", finish(image_));
        json.add("PCR1", finish(bootstrap_));
        json.add("PCR2", finish(application_));
        if (signer != nullptr) {
            Hasher hash;
            hash.update(signer->der());
            json.add("PCR8", finish(hash));
        }
        return json;
    }

private:
    // formats.md 1.6.
    Result<> add(int fd, const eif::Section& section) {
        const bool ramdisk = section.type == SectionType::ramdisk;
        if (!ramdisk && section.type != SectionType::kernel &&
            section.type != SectionType::cmdline) {
            return {};
        }
        ramdisks_ += ramdisk ? 1 : 0;
        Hasher& other = ramdisks_ > 1 && ramdisk ? application_ : bootstrap_;
        Bytes buffer(kBufferSize);
        for (std::uint64_t done = 0; done < section.size;) {
            const auto piece = MutableBytes(buffer).first(static_cast<std::size_t>(
                std::min<std::uint64_t>(kBufferSize, section.size - done)));
            CASEMATE_CHECK(read_exactly_at(fd, section.data_offset + done, piece));
            image_.update(piece);
            other.update(piece);
            done += piece.size();
        }
        return {};
    }

    static std::string finish(Hasher& content) {
        Hasher extended;
        extended.update(typename Hasher::Digest{});
        extended.update(content.finish());
        return to_hex(extended.finish());
    }

    Hasher image_;
    Hasher bootstrap_;
    Hasher application_;
    unsigned ramdisks_ = 0;
};

class Build {
public:
    Build(const Arguments& arguments, cli::Output& output)
        : arguments_(arguments), output_(output) {}

    // run gives the measurements to print.
    Result<Json> run() {
        CASEMATE_CHECK(check_sections());
        if (arguments_.signing_certificate && arguments_.private_key) {
            CASEMATE_TRY(signer_, cli::open_signer(*arguments_.signing_certificate,
                                                   *arguments_.private_key));
            cli::warn_of_validity(*signer_, output_);
        }
        CASEMATE_TRY(const std::string place, output_place(arguments_.output));
        CASEMATE_TRY(FileAside aside, FileAside::create(place, output_mode()));
        CASEMATE_TRY(const eif::Builder::Built built, write(aside.fd()));
        CASEMATE_TRY(Json measurements, measure(aside.fd(), built));
        CASEMATE_CHECK(look());
        CASEMATE_CHECK(aside.commit());
        return measurements;
    }

    // obey lets a signal that came meanwhile end the program.
    void obey() { interruption_.obey(); }

private:
    Result<eif::Builder::Built> write(int fd) const {
        CASEMATE_TRY(const Bytes about, metadata());
        eif::Header header;
        header.architecture = arguments_.architecture;
        CASEMATE_TRY(eif::Builder builder, eif::Builder::create(fd, header));
        CASEMATE_CHECK(add_kernel(builder));
        CASEMATE_CHECK(builder.add(SectionType::cmdline, as_bytes(arguments_.cmdline)));
        CASEMATE_CHECK(builder.add(SectionType::metadata, about));
        for (const std::string& ramdisk : arguments_.ramdisks) {
            CASEMATE_CHECK(add_ramdisk(builder, ramdisk));
        }
        eif::Builder::SignatureMaker sign;
        if (signer_) {
            sign = [this](const crypto::Digest384& pcr0) { return signer_->sign(pcr0); };
        }
        return builder.finish(sign);
    }

    Result<> look() const {
        if (interruption_.signal() != 0) {
            return os_error("build the enclave image", EINTR);
        }
        return {};
    }

    Result<> check_sections() const {
        // Kernel, command line and metadata; a signature.
        const std::size_t others = 3 + (arguments_.private_key ? 1 : 0);
        const std::size_t most = eif::kMaxSections - others;
        if (arguments_.ramdisks.size() > most) {
            return Error(EifErrc::bad_sections, "expected at most " + std::to_string(most) +
                                                    " ramdisks, found " +
                                                    std::to_string(arguments_.ramdisks.size()));
        }
        return {};
    }

    Result<Bytes> metadata() const {
        eif::Metadata about;
        about.image_name = arguments_.image_name.value_or(file_name(arguments_.kernel));
        about.image_version = arguments_.image_version.value_or("1.0");
        about.build_tool = arguments_.build_tool.value_or("eif_build");
        about.build_tool_version = arguments_.build_tool_version.value_or(CASEMATE_VERSION);
        eif::KernelIdentity identity{"OS", "kernel"};
        if (arguments_.kernel_config) {
            CASEMATE_TRY(const Bytes config, read_file(*arguments_.kernel_config, kMaxConfigFile));
            CASEMATE_TRY(identity, eif::parse_kernel_config(as_text(config)));
        }
        about.operating_system = arguments_.operating_system.value_or(identity.operating_system);
        about.kernel_version = arguments_.kernel_version.value_or(identity.version);
        if (arguments_.build_time) {
            about.build_time = *arguments_.build_time;
        } else {
            CASEMATE_TRY(about.build_time, eif::build_time_text());
        }
        if (arguments_.metadata_file) {
            CASEMATE_TRY(const Bytes custom,
                         read_file(*arguments_.metadata_file, eif::kMaxCustomMetadataSize));
            auto json = Json::parse(as_text(custom));
            if (!json) {
                return std::move(json).error().while_doing(*arguments_.metadata_file);
            }
            about.custom = json->compact();
        }
        CASEMATE_TRY(Bytes encoded, eif::encode(about));
        if (!is_utf8(encoded)) {
            return Error(EifErrc::bad_metadata,
                         "expected names, versions and times in UTF-8, found other bytes");
        }
        return encoded;
    }

    Result<> add_kernel(eif::Builder& builder) const {
        return add_file(builder, SectionType::kernel, arguments_.kernel, [this](ByteView head) {
            const auto kind = eif::kernel_kind(head);
            const std::string wanted(eif::name(arguments_.architecture));
            if (!kind) {
                return Result<>(Error(EifErrc::unsupported,
                                      arguments_.kernel + ": expected a kernel for " + wanted +
                                          (arguments_.architecture == eif::Architecture::x86_64
                                               ? " (bzImage or ELF vmlinux)"
                                               : " (an uncompressed Image)") +
                                          ", found something else"));
            }
            if (eif::architecture_of(*kind) != arguments_.architecture) {
                return Result<>(Error(EifErrc::unsupported,
                                      arguments_.kernel + ": expected a kernel for " + wanted +
                                          " (--arch), found " + std::string(eif::name(*kind)) +
                                          " for " +
                                          std::string(eif::name(eif::architecture_of(*kind)))));
            }
            return Result<>();
        });
    }

    Result<> add_ramdisk(eif::Builder& builder, const std::string& path) const {
        return add_file(builder, SectionType::ramdisk, path, [&](ByteView head) {
            if (!is_ramdisk(head)) {
                output_.say("Note: " + path +
                            " is neither a cpio archive nor compressed: Linux won't unpack it");
            }
            return Result<>();
        });
    }

    // add_file copies a file; check sees its beginning.
    template <class Check>
    Result<> add_file(eif::Builder& builder, SectionType type, const std::string& path,
                      const Check& check) const {
        CASEMATE_TRY(const UniqueFd file, open_file(path, O_RDONLY));
        CASEMATE_CHECK(builder.begin(type));
        Bytes buffer(kBufferSize);
        for (bool first = true;; first = false) {
            CASEMATE_CHECK(look());
            auto size = read_some(file.get(), buffer);
            if (!size) {
                return std::move(size).error().while_doing(path);
            }
            const ByteView piece = ByteView(buffer).first(*size);
            if (first) {
                CASEMATE_CHECK(check(piece));
            }
            if (piece.empty()) {
                return {};
            }
            CASEMATE_CHECK(builder.write(piece));
        }
    }

    Result<Json> measure(int fd, const eif::Builder::Built& built) const {
        const crypto::Certificate* signer = signer_ ? &signer_->certificate() : nullptr;
        switch (arguments_.algorithm) {
            case Algorithm::sha256:
                return Registers<crypto::Sha256>().measure(fd, built.index, "Sha256", signer);
            case Algorithm::sha512:
                return Registers<crypto::Sha512>().measure(fd, built.index, "Sha512", signer);
            case Algorithm::sha384:
                break;
        }
        return cli::measurements_json(built.measurements);
    }

    const Arguments& arguments_;
    cli::Output& output_;
    std::optional<eif::ImageSigner> signer_;
    cli::Interruption interruption_;
};

}  // namespace

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
    const auto parsed = parse(arguments);
    if (const auto* end = std::get_if<UsageEnd>(&parsed)) {
        out << end->standard_output << std::flush;
        err << end->standard_error << std::flush;
        return end->status;
    }
    const auto& wanted = std::get<Arguments>(parsed);
    cli::Output output(out, err, {});
    Build build(wanted, output);
    const auto measurements = build.run();
    if (!measurements) {
        build.obey();
        output.say("error: " + measurements.error().message());
        return 1;
    }
    const int status = output.text("Output file: " + wanted.output + "\n");
    return status != 0 ? status : output.result(*measurements);
}

}  // namespace casemate::eif_build
