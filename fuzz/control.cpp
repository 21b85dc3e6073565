// Property: a control packet that is taken is exactly the one that its message encodes to.
#include <cstdlib>

#include "machine/control.hpp"

namespace {

using casemate::Bytes;
using casemate::ByteView;

template <class Result>
void check(const Result& decoded, ByteView packet) {
    if (!decoded) {
        return;
    }
    const Bytes again = casemate::machine::encode(*decoded);
    if (again != Bytes(packet.begin(), packet.end())) {
        std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView packet(data, size);
    check(casemate::machine::decode_supervisor_message(packet), packet);
    check(casemate::machine::decode_vmm_message(packet), packet);
    return 0;
}
