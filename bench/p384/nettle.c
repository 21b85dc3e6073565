#include <nettle/ecc-curve.h>
#include <nettle/ecdsa.h>
#include <sys/random.h>

#include "rate.h"

static void fill(void* context, size_t size, uint8_t* out) {
    (void)context;
    EXPECT(getrandom(out, size, 0) == (ssize_t)size);
}

int main(void) {
    struct ecc_point point;
    struct ecc_scalar scalar;
    struct dsa_signature signature;
    double signatures, verifications;
    ecc_point_init(&point, nettle_get_secp_384r1());
    ecc_scalar_init(&scalar, nettle_get_secp_384r1());
    dsa_signature_init(&signature);
    ecdsa_generate_keypair(&point, &scalar, NULL, fill);
    MEASURE(signatures, ecdsa_sign(&scalar, NULL, fill, sizeof digest, digest, &signature));
    MEASURE(verifications, EXPECT(ecdsa_verify(&point, sizeof digest, digest, &signature) == 1));
    printf("%f %f\n", signatures, verifications);
}
