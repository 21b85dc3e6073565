#include <openssl/ec.h>
#include <openssl/evp.h>

#include "rate.h"

int main(void) {
    EVP_PKEY* key = EVP_EC_gen("P-384");
    EVP_PKEY_CTX* signing = EVP_PKEY_CTX_new(key, NULL);
    EVP_PKEY_CTX* verifying = EVP_PKEY_CTX_new(key, NULL);
    unsigned char signature[128];
    size_t size = 0;
    double signatures, verifications;
    EXPECT(EVP_PKEY_sign_init(signing) == 1 && EVP_PKEY_verify_init(verifying) == 1);
    MEASURE(signatures, size = sizeof signature;
            EXPECT(EVP_PKEY_sign(signing, signature, &size, digest, sizeof digest) == 1));
    MEASURE(verifications,
            EXPECT(EVP_PKEY_verify(verifying, signature, size, digest, sizeof digest) == 1));
    printf("%f %f\n", signatures, verifications);
}
