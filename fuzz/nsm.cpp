// Whatever a guest sends, the module answers one well-formed item that fits the driver's buffer,
// the platform's registers keep their values, and the next request still works.
#include <cstdlib>

#include "codec/cbor/cbor.hpp"
#include "nsm/requests.hpp"

namespace {

using casemate::Bytes;
using casemate::ByteView;
using casemate::nsm::PcrBank;
using casemate::nsm::Requests;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

PcrBank boot_bank() {
    std::map<std::uint16_t, casemate::nsm::PcrValue> measurements;
    for (const std::uint16_t index : std::initializer_list<std::uint16_t>{0, 1, 2, 8}) {
        measurements[index].fill(static_cast<std::uint8_t>(0xa0 + index));
    }
    return PcrBank::at_boot(measurements, {});
}

bool zeros(casemate::MutableBytes out) {
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    return true;
}

void require_answer(const Bytes& answer) {
    require(!answer.empty() && answer.size() <= casemate::nsm::kMaxResponseSize);
    require(casemate::cbor::Reader::open(answer).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const PcrBank kBoot = boot_bank();
    static const auto kKeys = casemate::nsm::LeafKeys::make(0);
    Requests requests(kBoot, "i-0123456789abcdef0-enc0123456789abcdef", *kKeys,
                      casemate::nsm::wall_clock, zeros);
    require_answer(requests.answer(ByteView(data, size)));
    for (std::uint16_t index = 0; index < PcrBank::kCount; ++index) {
        const auto& before = *kBoot.find(index);
        const auto& after = *requests.bank().find(index);
        require(!before.locked || (after.locked && after.value == before.value));
    }
    Bytes describe;
    casemate::cbor::Writer(describe).put_text("DescribeNSM");
    const Bytes answer = requests.answer(describe);
    require_answer(answer);
    auto reader = casemate::cbor::Reader::open(answer);
    require(reader->read_map()->find("DescribeNSM").has_value());
    return 0;
}
