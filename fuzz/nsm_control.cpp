// Property: a packet between the supervisor and the security module that is taken is exactly the
// one that its message encodes to.
#include <cstdlib>

#include "nsm/control.hpp"

namespace {

using casemate::Bytes;
using casemate::ByteView;

template <class Result>
void check(const Result& decoded, ByteView packet) {
    if (decoded && casemate::nsm::encode(*decoded) != Bytes(packet.begin(), packet.end())) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView packet(data, size);
    check(casemate::nsm::decode_supervisor_message(packet), packet);
    check(casemate::nsm::decode_module_message(packet), packet);
    return 0;
}
