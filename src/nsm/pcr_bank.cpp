#include "nsm/pcr_bank.hpp"

#include <string_view>

#include "crypto/digest.hpp"

namespace casemate::nsm {

namespace {

constexpr std::uint16_t kRoleRegister = 3;
constexpr std::uint16_t kInstanceRegister = 4;

// PCR3 and PCR4 take the text itself, not its digest (formats.md 1.7).
PcrValue of_text(std::string_view text) {
    return text.empty() ? PcrValue{} : crypto::extend_zero(as_bytes(text));
}

}  // namespace

PcrBank PcrBank::at_boot(const std::map<std::uint16_t, PcrValue>& measurements, const Load& load) {
    PcrBank bank;
    for (const auto& [index, value] : measurements) {
        if (index < kPlatform && !load.debug) {
            bank.registers_.at(index).value = value;
        }
    }
    bank.registers_[kRoleRegister].value = of_text(load.role_arn);
    bank.registers_[kInstanceRegister].value = of_text(load.instance_id);
    for (std::size_t i = 0; i < kPlatform; ++i) {
        bank.registers_.at(i).locked = true;
    }
    return bank;
}

const PcrBank::Register* PcrBank::find(std::uint64_t index) const {
    return index < kCount ? &registers_.at(static_cast<std::size_t>(index)) : nullptr;
}

PcrBank::Outcome PcrBank::extend(std::uint64_t index, ByteView data) {
    if (index >= kCount) {
        return Outcome::no_such_register;
    }
    Register& one = registers_.at(static_cast<std::size_t>(index));
    if (one.locked) {
        return Outcome::locked;
    }
    crypto::Sha384 hash;
    hash.update(one.value);
    hash.update(data);
    one.value = hash.finish();
    return Outcome::done;
}

PcrBank::Outcome PcrBank::lock(std::uint64_t index) {
    if (index >= kCount) {
        return Outcome::no_such_register;
    }
    Register& one = registers_.at(static_cast<std::size_t>(index));
    if (one.locked) {
        return Outcome::locked;
    }
    one.locked = true;
    return Outcome::done;
}

PcrBank::Outcome PcrBank::lock_below(std::uint64_t range) {
    if (range > kCount) {
        return Outcome::no_such_register;
    }
    for (std::size_t i = 0; i < range; ++i) {
        registers_.at(i).locked = true;
    }
    return Outcome::done;
}

std::vector<std::uint16_t> PcrBank::locked() const {
    std::vector<std::uint16_t> indexes;
    for (std::uint16_t i = 0; i < kCount; ++i) {
        if (registers_.at(i).locked) {
            indexes.push_back(i);
        }
    }
    return indexes;
}

std::map<std::uint16_t, PcrValue> PcrBank::locked_values() const {
    std::map<std::uint16_t, PcrValue> values;
    for (const std::uint16_t index : locked()) {
        values.emplace_hint(values.end(), index, registers_.at(index).value);
    }
    return values;
}

}  // namespace casemate::nsm
