// The signature section: what parses is, encoded again, the same bytes; and a signature that holds
// for one image holds for no other.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "eif/signature.hpp"
#include "eif/signing.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const casemate::ByteView section(data, size);
    const auto signature = casemate::eif::parse_signature(section);
    if (signature && !std::ranges::equal(casemate::eif::encode_signature(*signature), section)) {
        std::fprintf(stderr, "broken: what parses encodes to the same bytes\n");
        std::abort();
    }
    // The seeds are signed over a register of zeros.
    casemate::crypto::Digest384 pcr0{};
    if (casemate::eif::verify_signature(section, pcr0)) {
        pcr0.back() = 1;
        if (!signature || casemate::eif::verify_signature(section, pcr0)) {
            std::fprintf(stderr, "broken: a signature that holds does so for one image\n");
            std::abort();
        }
    }
    return 0;
}
