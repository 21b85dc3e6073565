#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/nid.h>

#include "rate.h"

int main(void) {
    EC_KEY* key = EC_KEY_new_by_curve_name(NID_secp384r1);
    unsigned char signature[128];
    unsigned size = 0;
    double signatures, verifications;
    EXPECT(EC_KEY_generate_key(key));
    MEASURE(signatures, EXPECT(ECDSA_sign(0, digest, sizeof digest, signature, &size, key)));
    MEASURE(verifications, EXPECT(ECDSA_verify(0, digest, sizeof digest, signature, size, key)));
    printf("%f %f\n", signatures, verifications);
}
