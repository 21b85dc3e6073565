// Property: what is read as expected registers can be written out, and reading that back gives the
// same; every alternative expects something, of registers that there are.
#include <algorithm>
#include <cstdlib>

#include "attestation/policy.hpp"

using namespace casemate;
using attestation::ExpectedPcrs;

namespace {

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

std::string written(const ExpectedPcrs::Alternative& alternative) {
    std::string text;
    for (const auto& [index, values] : alternative) {
        std::string list;
        for (const attestation::PcrValue& value : values) {
            list += (list.empty() ? "\"" : ", \"") + to_hex(value) + "\"";
        }
        text += (text.empty() ? "\"PCR" : ", \"PCR") + std::to_string(index) + "\": [" + list + "]";
    }
    return "{" + text + "}";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // Written out it takes a little more room, which is limited to 1 MiB.
    constexpr std::size_t kMost = 1UL << 19U;
    const auto expected = ExpectedPcrs::from_json(as_text(ByteView(data, std::min(size, kMost))));
    if (!expected) {
        require(expected.error().is(attestation::AttestationErrc::bad_expectation));
        return 0;
    }
    require(!expected->empty());
    std::string text;
    for (const ExpectedPcrs::Alternative& alternative : expected->alternatives()) {
        require(!alternative.empty());
        for (const auto& [index, values] : alternative) {
            require(index < attestation::kPcrCount && !values.empty());
        }
        text += (text.empty() ? "[" : ", ") + written(alternative);
    }
    const auto again = ExpectedPcrs::from_json(text + "]");
    require(again.ok() && again->alternatives() == expected->alternatives());
    // To expect the same twice is to expect it once, whatever alternatives that makes.
    ExpectedPcrs both = *expected;
    if (expected->alternatives().size() == 1) {
        require(both.combine(*expected).ok() && both.alternatives() == expected->alternatives());
    }
    return 0;
}
