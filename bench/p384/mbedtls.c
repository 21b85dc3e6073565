#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecdsa.h>
#include <mbedtls/entropy.h>

#include "rate.h"

int main(void) {
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context drbg;
    mbedtls_ecdsa_context key;
    mbedtls_mpi r, s;
    double signatures, verifications;
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&drbg);
    mbedtls_ecdsa_init(&key);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    EXPECT(mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0) == 0);
    EXPECT(mbedtls_ecdsa_genkey(&key, MBEDTLS_ECP_DP_SECP384R1, mbedtls_ctr_drbg_random, &drbg) ==
           0);
    MEASURE(signatures, EXPECT(mbedtls_ecdsa_sign(&key.grp, &r, &s, &key.d, digest, sizeof digest,
                                                  mbedtls_ctr_drbg_random, &drbg) == 0));
    MEASURE(verifications,
            EXPECT(mbedtls_ecdsa_verify(&key.grp, digest, sizeof digest, &key.Q, &r, &s) == 0));
    printf("%f %f\n", signatures, verifications);
}
