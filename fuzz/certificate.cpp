// A certificate that is decoded has the bytes it came in, also through PEM; what this project reads
// of it, OpenSSL can read too; and a public key that is given has one encoding.
#include "crypto/certificate.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace {

using casemate::ByteView;
using casemate::crypto::Certificate;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check(const Certificate& certificate) {
    const std::string pem = certificate.to_pem();
    const auto again = Certificate::from_pem(casemate::as_bytes(pem));
    require(again.ok() && again->der() == certificate.der());

    const auto key = certificate.public_key();
    if (key) {
        const auto& der = certificate.der();
        require(std::search(der.begin(), der.end(), key->spki().begin(), key->spki().end()) !=
                der.end());
        const auto same = casemate::crypto::PublicKey::from_spki(key->spki());
        require(same.ok() && same->spki() == key->spki() && same->curve() == key->curve());
    }
    if (certificate.fields()) {
        require(certificate.text().ok());
    } else {
        static_cast<void>(certificate.text());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    const auto certificate = Certificate::from_der(input);
    if (certificate) {
        require(std::ranges::equal(certificate->der(), input));
        check(*certificate);
    }
    const auto all = Certificate::all_from_pem(input);
    if (all) {
        require(!all->empty());
        for (const Certificate& one : *all) {
            check(one);
        }
    }
    return 0;
}
