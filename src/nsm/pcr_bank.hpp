// PcrBank: the platform configuration registers of one enclave (formats.md 1.7).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "base/bytes.hpp"
#include "nsm/control.hpp"

namespace casemate::nsm {

// PcrBank: 32 registers of SHA-384, each open or locked. A locked register never changes again.
class PcrBank {
public:
    static constexpr std::uint16_t kCount = 32;
    // The registers below this one are the platform's and locked from the start.
    static constexpr std::uint16_t kPlatform = 16;

    struct Register {
        PcrValue value{};
        bool locked = false;
    };

    enum class Outcome : std::uint8_t { done, no_such_register, locked };

    // A bank of open registers, all zero.
    PcrBank() = default;

    // at_boot is the bank that an enclave starts with: the image's measurements, PCR3 and PCR4 of
    // what Load says, the platform's registers locked. In debug mode the image's registers (0, 1,
    // 2 and 8) are zero, and PCR3 and PCR4 are not.
    [[nodiscard]] static PcrBank at_boot(const std::map<std::uint16_t, PcrValue>& measurements,
                                         const Load& load);

    // find gives a register, or nothing for an index above the last.
    [[nodiscard]] const Register* find(std::uint64_t index) const;
    // extend makes the register SHA384(register ‖ data).
    [[nodiscard]] Outcome extend(std::uint64_t index, ByteView data);
    // lock locks one register; it is an error to do so twice.
    [[nodiscard]] Outcome lock(std::uint64_t index);
    // lock_below locks every register below range, of which some may be locked already.
    [[nodiscard]] Outcome lock_below(std::uint64_t range);
    // locked gives the indexes of the locked registers, ascending.
    [[nodiscard]] std::vector<std::uint16_t> locked() const;
    // locked_values gives the locked registers, which is what a document carries.
    [[nodiscard]] std::map<std::uint16_t, PcrValue> locked_values() const;

private:
    std::array<Register, kCount> registers_{};
};

}  // namespace casemate::nsm
