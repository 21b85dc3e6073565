#include "eif/section_order.hpp"

#include <string>

namespace casemate::eif {

namespace {

constexpr std::uint16_t kFirstVersionWithSignature = 3;
constexpr std::uint16_t kFirstVersionWithMetadata = 4;

std::uint16_t first_version_with(SectionType type) {
    switch (type) {
        case SectionType::signature:
            return kFirstVersionWithSignature;
        case SectionType::metadata:
            return kFirstVersionWithMetadata;
        default:
            return kOldestVersion;
    }
}

}  // namespace

Result<> check_version(std::uint16_t version) {
    if (version < kOldestVersion || version > kNewestVersion) {
        return Error(EifErrc::unsupported,
                     "expected format version " + std::to_string(kOldestVersion) + " to " +
                         std::to_string(kNewestVersion) + ", found " + std::to_string(version));
    }
    return {};
}

Result<> SectionOrder::next(SectionType type) {
    const std::string what(name(type));
    if (version_ < first_version_with(type)) {
        return Error(EifErrc::unsupported, "a " + what + " section needs format version " +
                                               std::to_string(first_version_with(type)) +
                                               " or later, found version " +
                                               std::to_string(version_));
    }
    if (total_ == kMaxSections) {
        return Error(EifErrc::bad_sections,
                     "expected at most " + std::to_string(kMaxSections) + " sections, found more");
    }
    if (type == SectionType::ramdisk && count(SectionType::kernel) == 0) {
        return Error(EifErrc::bad_sections,
                     "expected every ramdisk after the kernel, found one before it");
    }
    if (type != SectionType::ramdisk && count(type) == 1) {
        return Error(EifErrc::bad_sections, "expected one " + what + " section, found a second");
    }
    ++count(type);
    ++total_;
    return {};
}

Result<> SectionOrder::finish() const {
    for (const auto type : {SectionType::kernel, SectionType::cmdline, SectionType::ramdisk}) {
        if (count(type) == 0) {
            return Error(EifErrc::bad_sections,
                         "expected a " + std::string(name(type)) + " section, found none");
        }
    }
    if (version_ >= kFirstVersionWithMetadata && count(SectionType::metadata) == 0) {
        return Error(EifErrc::bad_sections,
                     "expected a metadata section in format version 4, found none");
    }
    return {};
}

}  // namespace casemate::eif
