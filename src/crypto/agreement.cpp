#include "crypto/agreement.hpp"

#include <openssl/evp.h>

#include "crypto/key_access.hpp"
#include "crypto/openssl.hpp"

namespace casemate::crypto {

Result<SecretBytes> agree(const PrivateKey& mine, ByteView peer_spki) {
    using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
    CASEMATE_TRY(const PublicKey peer, PublicKey::from_spki(peer_spki));
    if (peer.curve() != mine.public_key().curve()) {
        return Error(CryptoErrc::out_of_range,
                     "expected the other side's public key on the same curve, found another");
    }
    const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, KeyAccess::handle(mine), nullptr));
    require(context != nullptr, "make a key context");
    SecretBytes secret(signature_size(peer.curve()) / 2);
    std::size_t size = secret.size();
    // The point has been checked: that of a curve without cofactor leaks nothing of the key.
    if (EVP_PKEY_derive_init(context.get()) != 1 ||
        EVP_PKEY_derive_set_peer(context.get(), KeyAccess::handle(peer)) != 1 ||
        EVP_PKEY_derive(context.get(), secret.mutable_view().data(), &size) != 1 ||
        size != secret.size()) {
        return openssl_error(KeyAccess::failure_of(mine), "the keys don't agree on a secret");
    }
    return secret;
}

}  // namespace casemate::crypto
