// Whatever a guest sends, the module answers one well-formed item that fits the driver's buffer,
// the platform's registers keep their values, a document is signed by the certified key and carries
// what the request asked for, and the next request still works.
#include <algorithm>
#include <cstdlib>

#include "codec/cbor/cbor.hpp"
#include "codec/cose.hpp"
#include "nsm/forged_chain.hpp"
#include "nsm/forged_requests.hpp"
#include "nsm/requests.hpp"

namespace {

using casemate::Bytes;
using casemate::ByteView;
using casemate::cbor::Kind;
using casemate::cbor::Map;
using casemate::cbor::Reader;
using casemate::nsm::LeafKeys;
using casemate::nsm::PcrBank;
using casemate::nsm::Requests;
namespace cose = casemate::cose;
namespace forged = casemate::nsm::forged;

constexpr casemate::nsm::TimeMs kNow = 1'665'651'482'136;

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

LeafKeys certified_keys() {
    const forged::Chain chain(kNow);
    LeafKeys keys = LeafKeys::make(kNow).value();
    require(keys.certify(chain.certify(keys.waiting(), kNow + 3'600'000), kNow).ok());
    return keys;
}

bool zeros(casemate::MutableBytes out) {
    std::fill(out.begin(), out.end(), std::uint8_t{0});
    return true;
}

void require_answer(const Bytes& answer) {
    require(!answer.empty() && answer.size() <= casemate::nsm::kMaxResponseSize);
    require(Reader::open(answer).ok());
}

// What a field of a map says: nothing when it is null or not there.
std::optional<Bytes> field_of(const Map& map, std::string_view key) {
    auto field = map.find(key);
    if (!field || field->peek() == Kind::null) {
        return std::nullopt;
    }
    const ByteView bytes = field->peek() == Kind::text
                               ? casemate::as_bytes(field->read_text().value())
                               : field->read_bytes().value();
    return Bytes(bytes.begin(), bytes.end());
}

// A document is only the answer to a request for one: its fields are those of the request.
void require_document(ByteView document, ByteView request, const Requests& requests,
                      const LeafKeys& keys) {
    const auto message = cose::parse_sign1(document);
    require(message.ok() && !message->tagged && message->algorithm == cose::kEs384);
    require(keys.signer(kNow)->key.public_key().verifies(
        cose::sig_structure(message->protected_header, message->payload), message->signature));
    const casemate::cbor::Options options{.any_integer_width = true};
    const Map asked =
        Reader::open(request, options)->read_map()->get("Attestation")->read_map().value();
    const Map answered = Reader::open(message->payload)->read_map().value();
    require(answered.size() == 9);
    for (const char* key : {"user_data", "nonce", "public_key"}) {
        require(field_of(asked, key) == field_of(answered, key));
    }
    require(answered.get("timestamp")->read_uint().value() == kNow);
    require(answered.get("pcrs")->read_map()->size() == requests.bank().locked().size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const PcrBank kBoot = boot_bank();
    static const LeafKeys kKeys = certified_keys();
    const ByteView request(data, size);
    Requests requests(
        kBoot, "i-0123456789abcdef0-enc0123456789abcdef", kKeys, [] { return kNow; }, zeros);
    const Bytes answer = requests.answer(request);
    require_answer(answer);
    if (const auto document = forged::document_of(answer)) {
        require_document(*document, request, requests, kKeys);
    }
    for (std::uint16_t index = 0; index < PcrBank::kCount; ++index) {
        const auto& before = *kBoot.find(index);
        const auto& after = *requests.bank().find(index);
        require(!before.locked || (after.locked && after.value == before.value));
    }
    Bytes describe;
    casemate::cbor::Writer(describe).put_text("DescribeNSM");
    const Bytes next = requests.answer(describe);
    require_answer(next);
    require(Reader::open(next)->read_map()->find("DescribeNSM").has_value());
    return 0;
}
