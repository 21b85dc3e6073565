// What the reader takes for frames is written again as the very same bytes, however it is cut, and
// so are the payloads that have a form of their own.
#include "softhost/frame.hpp"

#include <algorithm>
#include <cstdlib>

namespace {

using casemate::Bytes;
using casemate::ByteView;
using casemate::MutableBytes;
using namespace casemate::softhost;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check_payload(const Frame& frame) {
    Bytes again;
    if (const auto packet = read_packet_frame(frame.payload); packet) {
        put_packet_prefix(packet->attachments, again);
        again.insert(again.end(), packet->packet.begin(), packet->packet.end());
        require(std::equal(again.begin(), again.end(), frame.payload.begin(), frame.payload.end()));
    }
    if (const auto hello = decode_hello(frame.payload); hello) {
        const Bytes bytes = encode_hello(*hello);
        require(std::equal(bytes.begin(), bytes.end(), frame.payload.begin(), frame.payload.end()));
    }
    if (const auto credit = read_credit(frame.payload); credit) {
        Bytes bytes;
        put_credit(frame.channel, *credit, bytes);
        const ByteView payload = ByteView(bytes).subspan(kFrameHeaderSize);
        require(
            std::equal(payload.begin(), payload.end(), frame.payload.begin(), frame.payload.end()));
    }
}

// Gives the reader pieces of that size; what it took comes back as bytes.
Bytes rewrite(ByteView input, std::size_t piece) {
    FrameReader reader;
    Bytes again;
    while (!input.empty()) {
        const MutableBytes space = reader.space();
        require(!space.empty());
        const std::size_t size = std::min({piece, input.size(), space.size()});
        std::copy_n(input.begin(), size, space.begin());
        input = input.subspan(size);
        reader.received(size);
        while (true) {
            const auto frame = reader.next();
            if (!frame) {
                return again;
            }
            if (!frame->has_value()) {
                break;
            }
            check_payload(**frame);
            put_frame(**frame, again);
        }
    }
    return again;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    const Bytes whole = rewrite(input, 65536);
    require(whole.size() <= size && std::equal(whole.begin(), whole.end(), input.begin()));
    require(rewrite(input, 5) == whole);
    return 0;
}
