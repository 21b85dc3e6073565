#include "softhost/initramfs.hpp"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <sstream>
#include <string_view>
#include <vector>

#include "base/file.hpp"
#include "codec/cpio.hpp"
#include "softhost/error.hpp"
#include "softhost/inside.hpp"

namespace casemate::softhost {

namespace {

constexpr std::uint64_t kMaxProgram = 256ULL << 20U;
constexpr std::uint64_t kMaxModule = 64ULL << 20U;

// What the software host loads, and with which parameters. The emulated processor is AMD's. A vCPU
// that polls after HLT keeps the one that has work from running; the iTLB bug that nx_huge_pages
// works around is not emulated.
struct Module {
    std::string_view file;
    std::string_view parameters;
};
constexpr std::array<Module, 5> kModules{{
    {"irqbypass.ko", ""},
    {"kvm.ko", " halt_poll_ns=0 nx_huge_pages=off"},
    {"kvm-amd.ko", " nested=0"},
    {"virtio_blk.ko", ""},
    {"virtio_console.ko", ""},
}};

std::string relative(const char* path) {
    return std::string(path).substr(1);
}

// The wanted modules, in the order in which the build says they have to be loaded.
Result<std::vector<Module>> ordered_modules(const std::string& directory) {
    CASEMATE_TRY(const Bytes list, read_file(directory + "/order", kMaxModule));
    std::istringstream lines{std::string(as_text(list))};
    std::vector<Module> modules;
    for (std::string line; std::getline(lines, line);) {
        const auto* const wanted =
            std::find_if(kModules.begin(), kModules.end(),
                         [&line](const Module& module) { return module.file == line; });
        if (wanted != kModules.end()) {
            modules.push_back(*wanted);
        }
    }
    if (modules.size() != kModules.size()) {
        return Error(SofthostErrc::missing, "expected " + std::to_string(kModules.size()) +
                                                " modules of the software host in " + directory +
                                                "/order, got " + std::to_string(modules.size()));
    }
    return modules;
}

Result<> add_modules(codec::CpioWriter& archive, const std::string& directory) {
    CASEMATE_TRY(const std::vector<Module> modules, ordered_modules(directory));
    CASEMATE_CHECK(archive.add_directory(relative(kModuleDirectory), 0755));
    std::string list;
    for (const Module& module : modules) {
        const std::string file(module.file);
        CASEMATE_TRY(const Bytes content,
                     read_file(std::string(directory).append("/").append(file), kMaxModule));
        CASEMATE_CHECK(archive.add_small_file(relative(kModuleDirectory).append("/").append(file),
                                              0644, content));
        list.append(file).append(module.parameters).append("\n");
    }
    return archive.add_small_file(relative(kModuleList), 0644, as_bytes(list));
}

Result<> add_program(codec::CpioWriter& archive, const std::string& name, const std::string& path) {
    CASEMATE_TRY(Bytes content, read_file(path, kMaxProgram));
    keep_loaded(content);
    return archive.add_small_file(name, 0755, content);
}

}  // namespace

void keep_loaded(Bytes& program) {
    Elf64_Ehdr header{};
    if (program.size() < sizeof(header)) {
        return;
    }
    std::memcpy(&header, program.data(), sizeof(header));
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof(Elf64_Phdr) ||
        header.e_phoff > program.size() ||
        header.e_phnum > (program.size() - header.e_phoff) / sizeof(Elf64_Phdr)) {
        return;
    }
    std::uint64_t end = header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr);
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        std::memcpy(&segment, &program[header.e_phoff + i * sizeof(segment)], sizeof(segment));
        const auto segment_end = checked_add<std::uint64_t>(segment.p_offset, segment.p_filesz);
        if (!segment_end || *segment_end > program.size()) {
            return;
        }
        end = std::max(end, *segment_end);
    }
    program.resize(end);
    header.e_shoff = 0;
    header.e_shnum = 0;
    header.e_shstrndx = SHN_UNDEF;
    std::memcpy(program.data(), &header, sizeof(header));
}

Result<UniqueFd> make_initramfs(const std::string& init, const std::string& vmm,
                                const std::string& modules) {
    CASEMATE_TRY(UniqueFd file, make_memory_file("softhost-initramfs", 0));
    codec::CpioWriter archive([&file](ByteView bytes) { return write_all(file.get(), bytes); });
    CASEMATE_CHECK(add_program(archive, "init", init));
    CASEMATE_CHECK(add_program(archive, relative(kVmmPath), vmm));
    CASEMATE_CHECK(add_modules(archive, modules));
    CASEMATE_CHECK(archive.finish());
    return file;
}

}  // namespace casemate::softhost
