#include <gcrypt.h>

#include "rate.h"

int main(void) {
    gcry_sexp_t parameters, key, data, signature = NULL;
    double signatures, verifications;
    gcry_check_version(NULL);
    gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
    gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    EXPECT(!gcry_sexp_build(&parameters, NULL, "(genkey (ecc (curve \"NIST P-384\")))"));
    EXPECT(!gcry_pk_genkey(&key, parameters));
    gcry_sexp_t public_key = gcry_sexp_find_token(key, "public-key", 0);
    gcry_sexp_t private_key = gcry_sexp_find_token(key, "private-key", 0);
    EXPECT(
        !gcry_sexp_build(&data, NULL, "(data (flags raw) (value %b))", (int)sizeof digest, digest));
    MEASURE(signatures, gcry_sexp_release(signature);
            EXPECT(!gcry_pk_sign(&signature, data, private_key)));
    MEASURE(verifications, EXPECT(!gcry_pk_verify(signature, data, public_key)));
    printf("%f %f\n", signatures, verifications);
}
