// An envelope that is read has KMS's form, in which it is read again as the same; its sizes are
// those of its algorithms; no other key opens it; and what is sealed opens as what it was.
#include "crypto/cms.hpp"

#include <algorithm>
#include <cstdlib>

namespace {

using casemate::ByteView;
using casemate::crypto::CryptoErrc;
using casemate::crypto::RsaPrivateKey;
namespace cms = casemate::crypto::cms;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

const RsaPrivateKey& key() {
    static const auto generated = RsaPrivateKey::generate(2048);
    require(generated.ok());
    return generated.value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView input(data, size);
    const auto envelope = cms::read(input);
    if (envelope) {
        const auto again = cms::read(cms::write(*envelope));
        require(again.ok() && *again == *envelope);
        require(!envelope->ciphertext.empty() && envelope->ciphertext.size() % 16 == 0);
        require(envelope->encrypted_key.size() >= 256 && envelope->encrypted_key.size() <= 512);
        const auto opened = cms::open_with(key(), input);
        require(!opened.ok() && opened.error().is(CryptoErrc::not_opened));
    }
    constexpr std::size_t kSmall = 64;
    if (size <= kSmall) {
        const auto sealed = cms::seal_for(key().public_key(), input);
        require(sealed.ok());
        const auto opened = cms::open_with(key(), *sealed);
        require(opened.ok() && std::ranges::equal(opened->view(), input));
    }
    return 0;
}
