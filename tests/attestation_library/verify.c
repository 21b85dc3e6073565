/*
 * verify ROOTS.pem REGISTERS.json NONCE DOCUMENT [MILLISECONDS]: exit status 0 when the document of
 * an enclave is genuine and as expected, at that time or now.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* docs/attestation.md shows what is between the two lines of dashes. */
/* ------------------------------------------------------------------ */
#include <casemate/attestation.h>

struct file {
    char bytes[65536];
    size_t size;
};

static bool verify(const struct file* roots, const struct file* registers, const struct file* nonce,
                   const struct file* document, int64_t at) {
    casemate_attestation_error* error = NULL;
    casemate_attestation_document* verified = NULL;
    casemate_attestation_policy* policy = casemate_attestation_policy_new(NULL);
    casemate_attestation_verifier* verifier =
        casemate_attestation_verifier_new(roots->bytes, roots->size, &error);
    if (at != 0)
        casemate_attestation_policy_set_time(policy, at);
    if (verifier != NULL &&
        casemate_attestation_policy_set_nonce(policy, nonce->bytes, nonce->size, &error) &&
        casemate_attestation_policy_expect_pcrs_json(policy, registers->bytes, registers->size,
                                                     &error))
        verified = casemate_attestation_verify(verifier, policy, document->bytes, document->size,
                                               NULL, &error);
    if (verified != NULL)
        printf("verified: %s, isolation %s\n", casemate_attestation_document_module_id(verified),
               casemate_attestation_document_isolation(verified));
    else
        printf("refused (%s): %s\n", casemate_attestation_error_identifier(error),
               casemate_attestation_error_message(error));
    bool good = verified != NULL;
    casemate_attestation_document_free(verified);
    casemate_attestation_verifier_free(verifier);
    casemate_attestation_policy_free(policy);
    casemate_attestation_error_free(error);
    return good;
}
/* ------------------------------------------------------------------ */

static struct file files[4];

static bool read_file(const char* path, struct file* file) {
    FILE* stream = fopen(path, "rb");
    if (stream == NULL) {
        perror(path);
        return false;
    }
    file->size = fread(file->bytes, 1, sizeof file->bytes, stream);
    fclose(stream);
    return true;
}

int main(int argc, char** argv) {
    if (argc != 5 && argc != 6) {
        fprintf(stderr, "verify ROOTS.pem REGISTERS.json NONCE DOCUMENT [MILLISECONDS]\n");
        return 2;
    }
    for (int i = 0; i < 4; ++i) {
        if (!read_file(argv[i + 1], &files[i]))
            return 2;
    }
    int64_t at = argc == 6 ? strtoimax(argv[5], NULL, 10) : 0;
    return verify(&files[0], &files[1], &files[2], &files[3], at) ? 0 : 1;
}
