#include <wolfssl/options.h>
// The options come first.
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#include "rate.h"

int main(void) {
    WC_RNG random;
    ecc_key key;
    byte signature[128];
    word32 size = 0;
    int valid = 0;
    double signatures, verifications;
    EXPECT(wc_InitRng(&random) == 0 && wc_ecc_init(&key) == 0);
    EXPECT(wc_ecc_make_key_ex(&random, 48, &key, ECC_SECP384R1) == 0);
#ifdef ECC_TIMING_RESISTANT
    EXPECT(wc_ecc_set_rng(&key, &random) == 0);
#endif
    MEASURE(signatures, size = sizeof signature;
            EXPECT(wc_ecc_sign_hash(digest, sizeof digest, signature, &size, &random, &key) == 0));
    MEASURE(verifications,
            EXPECT(wc_ecc_verify_hash(signature, size, digest, sizeof digest, &valid, &key) == 0 &&
                   valid));
    printf("%f %f\n", signatures, verifications);
}
