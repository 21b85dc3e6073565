/*
 * contract ROOTS.pem DOCUMENT IMAGE.eif: what casemate/attestation.h promises, on the real document
 * of AWS in tests/golden. The image is a good one, but not the enclave's.
 */
#include <casemate/attestation.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                          \
    do {                                                                            \
        if (!(condition)) {                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                \
        }                                                                           \
    } while (0)

/* 2022-10-13T08:58:02.136Z, when the document was made. */
static const int64_t kMade = 1665651482136;

struct file {
    char bytes[65536];
    size_t size;
};

static struct file roots;
static struct file document;
static casemate_attestation_error* error;

static void read_file(const char* path, struct file* file) {
    FILE* stream = fopen(path, "rb");
    REQUIRE(stream != NULL);
    file->size = fread(file->bytes, 1, sizeof file->bytes, stream);
    fclose(stream);
}

/* failed_with tells whether the error is that one, and frees it. */
static bool failed_with(const char* identifier) {
    bool same = strcmp(casemate_attestation_error_identifier(error), identifier) == 0;
    bool has_message = casemate_attestation_error_message(error)[0] != '\0';
    if (!same)
        fprintf(stderr, "found %s\n", casemate_attestation_error_identifier(error));
    casemate_attestation_error_free(error);
    error = NULL;
    return same && has_message;
}

static casemate_attestation_verifier* new_verifier(void) {
    casemate_attestation_verifier* verifier =
        casemate_attestation_verifier_new(roots.bytes, roots.size, &error);
    REQUIRE(verifier != NULL && error == NULL);
    return verifier;
}

/* new_policy is for the day of the document. */
static casemate_attestation_policy* new_policy(void) {
    casemate_attestation_policy* policy = casemate_attestation_policy_new(&error);
    REQUIRE(policy != NULL && error == NULL);
    casemate_attestation_policy_set_time(policy, kMade);
    return policy;
}

static void check_contents(const casemate_attestation_document* verified) {
    static const uint8_t kRoot[4] = {0x64, 0x1a, 0x03, 0x21};
    static const uint8_t kPcr0[4] = {0xf4, 0xd4, 0x8b, 0x81};
    static const uint8_t kNonce[4] = {0xcb, 0x3d, 0xc2, 0xeb};
    static const uint8_t kZero[CASEMATE_ATTESTATION_PCR_SIZE] = {0};
    size_t size = 1;
    REQUIRE(strcmp(casemate_attestation_document_module_id(verified),
                   "i-020b6af9246d90e92-enc0183d09086c24190") == 0);
    REQUIRE(casemate_attestation_document_timestamp(verified) == kMade);
    REQUIRE(strcmp(casemate_attestation_document_isolation(verified), "nitro") == 0);
    REQUIRE(!casemate_attestation_document_debug(verified));
    REQUIRE(memcmp(casemate_attestation_document_pcr(verified, 0), kPcr0, sizeof kPcr0) == 0);
    REQUIRE(memcmp(casemate_attestation_document_pcr(verified, 15), kZero, sizeof kZero) == 0);
    REQUIRE(casemate_attestation_document_pcr(verified, 16) == NULL);
    REQUIRE(casemate_attestation_document_pcr(verified, 32) == NULL);
    REQUIRE(casemate_attestation_document_pcr(verified, 65536) == NULL);
    REQUIRE(memcmp(casemate_attestation_document_nonce(verified, &size), kNonce, 4) == 0);
    REQUIRE(size == 256);
    REQUIRE(casemate_attestation_document_public_key(verified, &size) == NULL && size == 0);
    REQUIRE(casemate_attestation_document_user_data(verified, &size) == NULL && size == 0);
    REQUIRE(memcmp(casemate_attestation_document_root(verified), kRoot, sizeof kRoot) == 0);
    REQUIRE(casemate_attestation_document_valid_from(verified) == 1665651479000);
    REQUIRE(casemate_attestation_document_valid_until(verified) == 1665662282000);
}

static void check_verification(void) {
    casemate_attestation_verifier* verifier = new_verifier();
    casemate_attestation_policy* policy = new_policy();
    casemate_attestation_document* verified =
        casemate_attestation_verify(verifier, policy, document.bytes, document.size, NULL, &error);
    REQUIRE(verified != NULL && error == NULL);
    /* A document stands on its own. */
    casemate_attestation_verifier_free(verifier);
    casemate_attestation_policy_free(policy);
    check_contents(verified);
    casemate_attestation_document_free(verified);
}

/* refused_with verifies under a policy, which is freed. */
static bool refused_with(const char* identifier, casemate_attestation_policy* policy) {
    casemate_attestation_verifier* verifier = new_verifier();
    REQUIRE(casemate_attestation_verify(verifier, policy, document.bytes, document.size, NULL,
                                        &error) == NULL);
    casemate_attestation_verifier_free(verifier);
    casemate_attestation_policy_free(policy);
    return failed_with(identifier);
}

static void check_policies(const char* image) {
    casemate_attestation_policy* policy = casemate_attestation_policy_new(NULL);
    REQUIRE(refused_with("expired", policy));
    policy = new_policy();
    casemate_attestation_policy_set_time(policy, kMade - 60001);
    REQUIRE(refused_with("not_yet_valid", policy));
    policy = new_policy();
    casemate_attestation_policy_set_time(policy, kMade - 1);
    casemate_attestation_policy_set_clock_skew(policy, -5);
    REQUIRE(refused_with("from_the_future", policy));
    policy = new_policy();
    casemate_attestation_policy_set_time(policy, kMade + 1001);
    casemate_attestation_policy_set_max_age(policy, 1000);
    REQUIRE(refused_with("too_old", policy));
    policy = new_policy();
    casemate_attestation_policy_set_time(policy, -1);
    REQUIRE(refused_with("bad_expectation", policy));
    policy = new_policy();
    REQUIRE(casemate_attestation_policy_set_nonce(policy, "x", 1, &error));
    REQUIRE(refused_with("nonce_mismatch", policy));
    policy = new_policy();
    REQUIRE(casemate_attestation_policy_expect_image(policy, image, &error));
    REQUIRE(refused_with("pcr_mismatch", policy));
}

static void check_registers(void) {
    static const uint8_t kZero[CASEMATE_ATTESTATION_PCR_SIZE] = {0};
    static const uint8_t kOther[CASEMATE_ATTESTATION_PCR_SIZE] = {1};
    static const char kJson[] =
        "{\"PCR6\": \""
        "000000000000000000000000000000000000000000000000"
        "000000000000000000000000000000000000000000000000\"}";
    casemate_attestation_policy* policy = new_policy();
    REQUIRE(casemate_attestation_policy_expect_pcr(policy, 5, kOther, 48, &error));
    REQUIRE(refused_with("pcr_mismatch", policy));
    /* Either value will do. */
    policy = new_policy();
    REQUIRE(casemate_attestation_policy_expect_pcr(policy, 5, kOther, 48, &error));
    REQUIRE(casemate_attestation_policy_expect_pcr(policy, 5, kZero, 48, &error));
    /* And the text has to hold as well. */
    REQUIRE(casemate_attestation_policy_expect_pcrs_json(policy, kJson, sizeof kJson - 1, &error));
    casemate_attestation_verifier* verifier = new_verifier();
    casemate_attestation_document* verified =
        casemate_attestation_verify(verifier, policy, document.bytes, document.size, NULL, &error);
    REQUIRE(verified != NULL);
    casemate_attestation_document_free(verified);
    casemate_attestation_verifier_free(verifier);
    /* No enclave can have both; what was expected before still is. */
    REQUIRE(!casemate_attestation_policy_expect_pcr(policy, 6, kOther, 48, &error));
    REQUIRE(failed_with("bad_expectation"));
    REQUIRE(casemate_attestation_policy_expect_pcr(policy, 16, kOther, 48, &error));
    REQUIRE(refused_with("pcr_missing", policy));
}

static void check_explanations(void) {
    casemate_attestation_verifier* verifier = new_verifier();
    casemate_attestation_policy* policy = new_policy();
    char* steps = NULL;
    casemate_attestation_document* verified = casemate_attestation_verify(
        verifier, policy, document.bytes, document.size, &steps, &error);
    REQUIRE(verified != NULL && steps != NULL);
    REQUIRE(strstr(steps, "\"Result\":\"ok\"") != NULL);
    REQUIRE(strstr(steps, "\"Result\":\"failed\"") == NULL);
    casemate_attestation_text_free(steps);
    casemate_attestation_document_free(verified);
    verified = casemate_attestation_verify(verifier, policy, document.bytes, document.size - 1,
                                           &steps, &error);
    REQUIRE(verified == NULL && steps != NULL);
    REQUIRE(strstr(steps, "\"Result\":\"failed\"") != NULL);
    REQUIRE(strstr(steps, "\"Result\":\"not reached\"") != NULL);
    REQUIRE(failed_with("not_cbor"));
    casemate_attestation_text_free(steps);
    casemate_attestation_verifier_free(verifier);
    casemate_attestation_policy_free(policy);
}

static void check_bad_arguments(void) {
    casemate_attestation_verifier* verifier = new_verifier();
    casemate_attestation_policy* policy = new_policy();
    char* steps = NULL;
    REQUIRE(casemate_attestation_verifier_new(NULL, 1, &error) == NULL);
    REQUIRE(failed_with("bad_argument"));
    REQUIRE(casemate_attestation_verifier_new(NULL, 0, &error) == NULL);
    REQUIRE(failed_with("bad_roots"));
    REQUIRE(casemate_attestation_verifier_new("no roots", 8, &error) == NULL);
    REQUIRE(failed_with("bad_roots"));
    REQUIRE(casemate_attestation_verify(NULL, policy, "", 0, &steps, &error) == NULL);
    REQUIRE(failed_with("bad_argument") && steps == NULL);
    REQUIRE(casemate_attestation_verify(verifier, NULL, "", 0, NULL, &error) == NULL);
    REQUIRE(failed_with("bad_argument"));
    REQUIRE(casemate_attestation_verify(verifier, policy, NULL, 1, NULL, &error) == NULL);
    REQUIRE(failed_with("bad_argument"));
    REQUIRE(casemate_attestation_verify(verifier, policy, NULL, 0, NULL, &error) == NULL);
    REQUIRE(failed_with("not_cbor"));
    /* Nobody has to look at errors. */
    REQUIRE(casemate_attestation_verify(verifier, policy, "", 0, NULL, NULL) == NULL);
    casemate_attestation_verifier_free(verifier);

    REQUIRE(!casemate_attestation_policy_set_nonce(NULL, "x", 1, &error));
    REQUIRE(failed_with("bad_argument"));
    REQUIRE(!casemate_attestation_policy_set_nonce(policy, "", 0, &error));
    REQUIRE(failed_with("bad_expectation"));
    REQUIRE(!casemate_attestation_policy_set_nonce(policy, document.bytes, 1025, &error));
    REQUIRE(failed_with("bad_expectation"));
    REQUIRE(!casemate_attestation_policy_allow_isolation(policy, NULL, &error));
    REQUIRE(failed_with("bad_argument"));
    REQUIRE(!casemate_attestation_policy_allow_isolation(policy, "unknown", &error));
    REQUIRE(failed_with("bad_expectation"));
    REQUIRE(casemate_attestation_policy_allow_isolation(policy, "software", &error));
    REQUIRE(!casemate_attestation_policy_require_isolation(policy, NULL, &error));
    REQUIRE(failed_with("bad_argument"));
    REQUIRE(!casemate_attestation_policy_require_isolation(policy, "unknown", &error));
    REQUIRE(failed_with("bad_expectation"));
    REQUIRE(!casemate_attestation_policy_expect_pcr(policy, 32, document.bytes, 48, &error));
    REQUIRE(failed_with("bad_expectation"));
    REQUIRE(!casemate_attestation_policy_expect_pcr(policy, 0, document.bytes, 47, &error));
    REQUIRE(failed_with("bad_expectation"));
    REQUIRE(!casemate_attestation_policy_expect_pcr(policy, 0, NULL, 48, &error));
    REQUIRE(failed_with("bad_argument"));
    REQUIRE(!casemate_attestation_policy_expect_pcrs_json(policy, "{}", 2, &error));
    REQUIRE(failed_with("bad_expectation"));
    REQUIRE(!casemate_attestation_policy_expect_pcrs_json(policy, NULL, 2, &error));
    REQUIRE(failed_with("bad_argument"));
    REQUIRE(!casemate_attestation_policy_expect_image(policy, "/does/not/exist", &error));
    REQUIRE(failed_with("bad_expectation"));
    REQUIRE(!casemate_attestation_policy_expect_image(policy, "/dev/null", &error));
    REQUIRE(failed_with("bad_expectation"));
    casemate_attestation_policy_free(policy);

    casemate_attestation_verifier_free(NULL);
    casemate_attestation_policy_free(NULL);
    casemate_attestation_document_free(NULL);
    casemate_attestation_error_free(NULL);
    casemate_attestation_text_free(NULL);
    REQUIRE(casemate_attestation_error_identifier(NULL)[0] == '\0');
    REQUIRE(casemate_attestation_error_message(NULL)[0] == '\0');
    REQUIRE(casemate_attestation_version()[0] != '\0');
}

int main(int argc, char** argv) {
    REQUIRE(argc == 4);
    read_file(argv[1], &roots);
    read_file(argv[2], &document);
    check_verification();
    check_policies(argv[3]);
    check_registers();
    check_explanations();
    check_bad_arguments();
    printf("as casemate/attestation.h says\n");
    return 0;
}
