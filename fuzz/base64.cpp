// Properties: any bytes come back from their text; a text that is read is the one that its bytes
// are written as.
#include "codec/base64.hpp"

#include <cstdlib>

using namespace casemate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    const auto back = codec::decode_base64(codec::encode_base64(input));
    if (!back || as_text(*back) != as_text(input)) {
        std::abort();
    }
    const auto bytes = codec::decode_base64(as_text(input));
    if (bytes && codec::encode_base64(*bytes) != as_text(input)) {
        std::abort();
    }
    return 0;
}
