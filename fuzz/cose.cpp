// A COSE_Sign1 that is accepted is written again as the very same bytes, but for its tag; what is
// signed is one item of strict CBOR, with the message's own protected header and payload.
#include "codec/cose.hpp"

#include <algorithm>
#include <cstdlib>

#include "codec/cbor/cbor.hpp"

namespace {

using casemate::Bytes;
using casemate::ByteView;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    const auto parsed = casemate::cose::parse_sign1(input);
    if (!parsed) {
        return 0;
    }
    const ByteView untagged = input.subspan(parsed->tagged ? 1 : 0);
    require(!parsed->tagged || input[0] == 0xd2);
    const Bytes again =
        casemate::cose::encode_sign1(parsed->algorithm, parsed->payload, parsed->signature);
    require(std::ranges::equal(again, untagged));

    const Bytes structure =
        casemate::cose::sig_structure(parsed->protected_header, parsed->payload);
    auto reader = casemate::cbor::Reader::open(structure);
    require(reader.ok());
    auto elements = reader->read_array();
    require(elements.ok() && elements->remaining() == 4);
    require(elements->read_text().value() == "Signature1");
    require(std::ranges::equal(elements->read_bytes().value(), parsed->protected_header));
    require(elements->read_bytes()->empty());
    require(std::ranges::equal(elements->read_bytes().value(), parsed->payload));
    return 0;
}
