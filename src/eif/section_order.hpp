// SectionOrder: which sections an image may and must have, and in which order
// (formats.md 1.2, 1.4). The reader and the builder obey the same rules by using it.
#pragma once

#include <cstdint>

#include "base/result.hpp"
#include "eif/format.hpp"

namespace casemate::eif {

// check_version fails with EifErrc unsupported unless it is 2 to 4.
[[nodiscard]] Result<> check_version(std::uint16_t version);

class SectionOrder {
public:
    explicit SectionOrder(std::uint16_t version) : version_(version) {}

    // next fails with EifErrc bad_sections when a section of this type can't come here, and with
    // unsupported when the version does not know the type.
    [[nodiscard]] Result<> next(SectionType type);
    // finish fails with EifErrc bad_sections when a mandatory section has not come.
    [[nodiscard]] Result<> finish() const;

private:
    [[nodiscard]] unsigned& count(SectionType type) {
        return counts_[static_cast<std::size_t>(type)];
    }
    [[nodiscard]] unsigned count(SectionType type) const {
        return counts_[static_cast<std::size_t>(type)];
    }

    std::uint16_t version_;
    // Indexed by SectionType.
    std::array<unsigned, 6> counts_{};
    unsigned total_ = 0;
};

}  // namespace casemate::eif
