// For tests: the security module's own code (src/nsm) as an enclave's device has it behind it, with
// certificates of an authority made for the test.
#pragma once

#include <optional>
#include <string>

#include "codec/cbor/cbor.hpp"
#include "codec/cose.hpp"
#include "nsm/forged_chain.hpp"
#include "nsm/requests.hpp"

namespace casemate::libnsm {

class RealModule {
public:
    explicit RealModule(std::string module_id)
        : requests_(bank(), std::move(module_id), keys_), now_(nsm::wall_clock()) {}

    // certify has the module sign documents for the next hour, and tells whether it does.
    [[nodiscard]] bool certify() {
        const nsm::forged::Chain chain(now_);
        return keys_.certify(chain.certify(keys_.waiting(), now_ + 3'600'000), now_).ok();
    }

    [[nodiscard]] Bytes answer(ByteView request) { return requests_.answer(request); }
    [[nodiscard]] const nsm::PcrBank::Register& pcr(std::uint16_t index) const {
        return *requests_.bank().find(index);
    }

private:
    static nsm::PcrBank bank() {
        std::map<std::uint16_t, nsm::PcrValue> measurements;
        measurements[0].fill(0xa0);
        return nsm::PcrBank::at_boot(measurements, nsm::Load{});
    }

    nsm::LeafKeys keys_ = nsm::LeafKeys::make(nsm::wall_clock()).value();
    nsm::Requests requests_;
    nsm::TimeMs now_;
};

// field_of gives what a document carries under user_data, nonce or public_key, nothing where it is
// null; "?" where the bytes are no document.
inline std::optional<std::string> field_of(ByteView document, std::string_view key) {
    const auto message = cose::parse_sign1(document);
    auto reader =
        message ? cbor::Reader::open(message->payload) : Result<cbor::Reader>(message.error());
    const auto payload = reader ? reader->read_map() : Result<cbor::Map>(reader.error());
    if (!payload || !payload->find(key)) {
        return "?";
    }
    auto value = *payload->find(key);
    if (value.peek() == cbor::Kind::null) {
        return std::nullopt;
    }
    const auto bytes = value.read_bytes();
    return bytes ? std::string(as_text(*bytes)) : "?";
}

}  // namespace casemate::libnsm
