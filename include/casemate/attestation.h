/*
 * Verifying attestation documents of enclaves: AWS Nitro's and Casemate's. libcasemate-attestation.
 *
 * A relying party makes a verifier of the root certificates it trusts, says in a policy what it
 * expects, and has documents verified. What a document says can only be read from a
 * casemate_attestation_document, and only a verified document becomes one.
 *
 *     verifier + policy + bytes --casemate_attestation_verify--> document, or NULL and an error
 *
 * Ownership. Every object that a function returns or hands out by a pointer to a pointer belongs to
 * the caller, who frees it with the function named after it; freeing NULL does nothing. What is
 * passed in is copied where it is kept. Pointers into an object are valid until it is freed.
 *
 * Errors. Functions that can fail return NULL or false and, unless error is NULL, set *error to an
 * error to be freed; on success *error becomes NULL. No C++ exception leaves the library. Passing
 * NULL where it is not allowed is the error "bad_argument" in functions that can fail.
 *
 * Threads. Distinct objects are independent. One verifier may be used by several threads at once,
 * and so may one policy while nobody changes it, and one document or error while nobody frees it.
 */
#ifndef CASEMATE_ATTESTATION_H
#define CASEMATE_ATTESTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define CASEMATE_ATTESTATION_API __attribute__((visibility("default")))
#else
#define CASEMATE_ATTESTATION_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Sizes in bytes. */
#define CASEMATE_ATTESTATION_PCR_SIZE 48
#define CASEMATE_ATTESTATION_FINGERPRINT_SIZE 32

typedef struct casemate_attestation_error casemate_attestation_error;
typedef struct casemate_attestation_verifier casemate_attestation_verifier;
typedef struct casemate_attestation_policy casemate_attestation_policy;
typedef struct casemate_attestation_document casemate_attestation_document;

/* casemate_attestation_version is the library's version, "0.1.0". */
CASEMATE_ATTESTATION_API const char* casemate_attestation_version(void);

/* --- errors --- */

/*
 * casemate_attestation_error_identifier names the reason for programs: "expired",
 * "nonce_mismatch", … (docs/attestation.md lists them). "bad_roots", "bad_expectation",
 * "bad_argument", "out_of_memory" and "internal_error" are not a document's fault. "" for NULL.
 */
CASEMATE_ATTESTATION_API const char* casemate_attestation_error_identifier(
    const casemate_attestation_error* error);
/*
 * casemate_attestation_error_message is a sentence for people with what was expected and what was
 * found, printable ASCII where it quotes a document. "" for NULL.
 */
CASEMATE_ATTESTATION_API const char* casemate_attestation_error_message(
    const casemate_attestation_error* error);
CASEMATE_ATTESTATION_API void casemate_attestation_error_free(casemate_attestation_error* error);

/* --- verifiers --- */

/*
 * casemate_attestation_verifier_new trusts every certificate of a PEM text of size bytes: one or
 * more self-signed P-384 certificates of a CA. Errors: "bad_roots".
 */
CASEMATE_ATTESTATION_API casemate_attestation_verifier* casemate_attestation_verifier_new(
    const void* roots_pem, size_t size, casemate_attestation_error** error);
CASEMATE_ATTESTATION_API void casemate_attestation_verifier_free(
    casemate_attestation_verifier* verifier);

/* --- policies --- */

/*
 * casemate_attestation_policy_new expects a document that is genuine at the time of the call to
 * casemate_attestation_verify, of an enclave isolated by "kvm" or "nitro", not in debug mode. Which
 * code runs, and whether the document is fresh, is only checked when the functions below say so.
 */
CASEMATE_ATTESTATION_API casemate_attestation_policy* casemate_attestation_policy_new(
    casemate_attestation_error** error);
CASEMATE_ATTESTATION_API void casemate_attestation_policy_free(casemate_attestation_policy* policy);

/*
 * casemate_attestation_policy_set_time verifies at that time instead of now, in milliseconds since
 * 1970 UTC.
 */
CASEMATE_ATTESTATION_API void casemate_attestation_policy_set_time(
    casemate_attestation_policy* policy, int64_t milliseconds);
/*
 * casemate_attestation_policy_use_document_time verifies certificates at the time that the document
 * itself says, for documents out of an archive. Its age is not checked then.
 */
CASEMATE_ATTESTATION_API void casemate_attestation_policy_use_document_time(
    casemate_attestation_policy* policy);
/*
 * casemate_attestation_policy_set_max_age refuses documents made longer ago ("too_old"). Negative:
 * any age will do, as at first.
 */
CASEMATE_ATTESTATION_API void casemate_attestation_policy_set_max_age(
    casemate_attestation_policy* policy, int64_t milliseconds);
/*
 * casemate_attestation_policy_set_clock_skew: how far the document's clock may be ahead of ours
 * ("from_the_future"); 60,000 at first. Negative is 0.
 */
CASEMATE_ATTESTATION_API void casemate_attestation_policy_set_clock_skew(
    casemate_attestation_policy* policy, int64_t milliseconds);
/*
 * casemate_attestation_policy_set_nonce expects a document with this nonce ("nonce_mismatch"), of 1
 * to 1,024 bytes. Errors: "bad_expectation".
 */
CASEMATE_ATTESTATION_API bool casemate_attestation_policy_set_nonce(
    casemate_attestation_policy* policy, const void* nonce, size_t size,
    casemate_attestation_error** error);
/*
 * casemate_attestation_policy_allow_isolation accepts enclaves of that isolation too: "software",
 * which is no boundary at all, "kvm" or "nitro". Errors: "bad_expectation".
 */
CASEMATE_ATTESTATION_API bool casemate_attestation_policy_allow_isolation(
    casemate_attestation_policy* policy, const char* isolation, casemate_attestation_error** error);
/*
 * casemate_attestation_policy_require_isolation accepts enclaves of that isolation and of no other,
 * whatever was allowed before. Errors: "bad_expectation".
 */
CASEMATE_ATTESTATION_API bool casemate_attestation_policy_require_isolation(
    casemate_attestation_policy* policy, const char* isolation, casemate_attestation_error** error);
/*
 * casemate_attestation_policy_allow_debug accepts enclaves in debug mode too, or no more. Their
 * console can be read from outside and their measurements are zero.
 */
CASEMATE_ATTESTATION_API void casemate_attestation_policy_allow_debug(
    casemate_attestation_policy* policy, bool allow);
/*
 * casemate_attestation_policy_expect_pcr expects a register, 0 to 31, to have a value of
 * CASEMATE_ATTESTATION_PCR_SIZE bytes. Called again for one register: either value will do. Errors:
 * "bad_expectation".
 */
CASEMATE_ATTESTATION_API bool casemate_attestation_policy_expect_pcr(
    casemate_attestation_policy* policy, uint32_t index, const void* value, size_t size,
    casemate_attestation_error** error);
/*
 * casemate_attestation_policy_expect_pcrs_json expects what a JSON text of size bytes says:
 * {"PCR0": HEX or [HEX, …], …}, an array of such alternatives, or what `casemate build-enclave` and
 * `describe-eif` print. All that was expected before has to hold as well. Errors:
 * "bad_expectation".
 */
CASEMATE_ATTESTATION_API bool casemate_attestation_policy_expect_pcrs_json(
    casemate_attestation_policy* policy, const char* json, size_t size,
    casemate_attestation_error** error);
/*
 * casemate_attestation_policy_expect_image measures an enclave image file and expects an enclave
 * that runs it: PCR0, PCR1, PCR2, and PCR8 when the image is signed. All that was expected before
 * has to hold as well. Errors: "bad_expectation".
 */
CASEMATE_ATTESTATION_API bool casemate_attestation_policy_expect_image(
    casemate_attestation_policy* policy, const char* path, casemate_attestation_error** error);

/* --- verification --- */

/*
 * casemate_attestation_verify verifies a document of size bytes (CBOR, not base64) and gives what
 * it says. NULL: it is refused, and the error says why.
 *
 * explanation may be NULL; else *explanation is set, also when the document is refused, to a JSON
 * text with every step of the check list, [{"Step": …, "Result": "ok" | "failed" | "not asked" |
 * "not reached", "Finding": …}, …], or to NULL when there was no memory for it. It is freed with
 * casemate_attestation_text_free. Documents are verified faster without.
 */
CASEMATE_ATTESTATION_API casemate_attestation_document* casemate_attestation_verify(
    const casemate_attestation_verifier* verifier, const casemate_attestation_policy* policy,
    const void* document, size_t size, char** explanation, casemate_attestation_error** error);
CASEMATE_ATTESTATION_API void casemate_attestation_text_free(char* text);
CASEMATE_ATTESTATION_API void casemate_attestation_document_free(
    casemate_attestation_document* document);

/* --- verified documents: none of these functions takes NULL for the document --- */

/* casemate_attestation_document_module_id: "<instance id>-enc<16 hex digits>". */
CASEMATE_ATTESTATION_API const char* casemate_attestation_document_module_id(
    const casemate_attestation_document* document);
/* casemate_attestation_document_timestamp: when it was made, in milliseconds since 1970 UTC. */
CASEMATE_ATTESTATION_API int64_t
casemate_attestation_document_timestamp(const casemate_attestation_document* document);
/* casemate_attestation_document_isolation: "software", "kvm", "nitro". */
CASEMATE_ATTESTATION_API const char* casemate_attestation_document_isolation(
    const casemate_attestation_document* document);
/* casemate_attestation_document_debug: the enclave is in debug mode. */
CASEMATE_ATTESTATION_API bool casemate_attestation_document_debug(
    const casemate_attestation_document* document);
/*
 * casemate_attestation_document_pcr gives CASEMATE_ATTESTATION_PCR_SIZE bytes, or NULL for a
 * register that the document does not have.
 */
CASEMATE_ATTESTATION_API const uint8_t* casemate_attestation_document_pcr(
    const casemate_attestation_document* document, uint32_t index);
/*
 * The enclave's own fields: *size bytes, or NULL and *size 0 for a field that is not there. An
 * empty field is not NULL.
 */
CASEMATE_ATTESTATION_API const uint8_t* casemate_attestation_document_public_key(
    const casemate_attestation_document* document, size_t* size);
CASEMATE_ATTESTATION_API const uint8_t* casemate_attestation_document_user_data(
    const casemate_attestation_document* document, size_t* size);
CASEMATE_ATTESTATION_API const uint8_t* casemate_attestation_document_nonce(
    const casemate_attestation_document* document, size_t* size);
/*
 * casemate_attestation_document_root is the SHA-256 of the DER of the root that vouches for the
 * document: CASEMATE_ATTESTATION_FINGERPRINT_SIZE bytes.
 */
CASEMATE_ATTESTATION_API const uint8_t* casemate_attestation_document_root(
    const casemate_attestation_document* document);
/*
 * casemate_attestation_document_valid_from and _valid_until bound the time in which all its
 * certificates are valid, in milliseconds since 1970 UTC.
 */
CASEMATE_ATTESTATION_API int64_t
casemate_attestation_document_valid_from(const casemate_attestation_document* document);
CASEMATE_ATTESTATION_API int64_t
casemate_attestation_document_valid_until(const casemate_attestation_document* document);

#ifdef __cplusplus
}
#endif

#endif
