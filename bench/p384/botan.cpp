#include <botan/auto_rng.h>
#include <botan/ecdsa.h>
#include <botan/pubkey.h>

#include "rate.h"

int main() {
    Botan::AutoSeeded_RNG random;
    const Botan::ECDSA_PrivateKey key(random, Botan::EC_Group("secp384r1"));
    Botan::PK_Signer signer(key, random, "Raw");
    Botan::PK_Verifier verifier(key, "Raw");
    std::vector<std::uint8_t> signature;
    double signatures, verifications;
    MEASURE(signatures, signature = signer.sign_message(digest, sizeof digest, random));
    MEASURE(verifications, EXPECT(verifier.verify_message(digest, sizeof digest, signature.data(),
                                                          signature.size())));
    printf("%f %f\n", signatures, verifications);
}
