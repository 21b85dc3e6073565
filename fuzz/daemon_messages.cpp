// Property: a daemon's messages are the same, and fail the same, in one piece and byte by byte.
#include <cstdlib>
#include <vector>

#include "image/daemon/client.hpp"
#include "image/daemon/messages.hpp"

namespace {

using namespace casemate;
using namespace casemate::image;

struct Read {
    std::vector<DaemonMessage> messages;
    bool ok = true;
};

Read read(ByteView input, std::size_t piece) {
    Read all;
    DaemonMessages parser([&](const DaemonMessage& message) -> Result<> {
        all.messages.push_back(message);
        return {};
    });
    while (!input.empty() && all.ok) {
        const std::size_t size = std::min(piece, input.size());
        all.ok = parser.put(input.first(size)).ok();
        input = input.subspan(size);
    }
    all.ok = all.ok && parser.finish().ok();
    return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    const Read whole = read(input, size + 1);
    const Read bytes = read(input, 1);
    if (whole.ok != bytes.ok || whole.messages != bytes.messages) {
        std::abort();
    }
    for (const DaemonMessage& message : whole.messages) {
        for (const char c : shown(message.stream)) {
            if (static_cast<unsigned char>(c) < 0x20) {
                std::abort();
            }
        }
    }
    if (const auto inspection = parse_inspection(as_text(input));
        inspection && inspection->id.size() != 71) {
        std::abort();
    }
    return 0;
}
