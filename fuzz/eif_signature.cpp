// The signature section: what parses is, encoded again, the same bytes.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "eif/signature.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const casemate::ByteView section(data, size);
    const auto signature = casemate::eif::parse_signature(section);
    if (signature && !std::ranges::equal(casemate::eif::encode_signature(*signature), section)) {
        std::fprintf(stderr, "broken: what parses encodes to the same bytes\n");
        std::abort();
    }
    return 0;
}
