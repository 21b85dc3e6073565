/*
 * A client of KMS for programs inside an enclave, over vsock. libcasemate-kms.
 *
 * What KMS would tell in the clear (Decrypt, GenerateDataKey, GenerateDataKeyPair, GenerateRandom,
 * DeriveSharedSecret) is always asked for with an attestation document of this enclave and its
 * public key, and comes encrypted for it: casemate_kms_answer_secret gives it. An answer in the
 * clear is refused. TLS ends inside the enclave; the certificates that are trusted are part of its
 * image, and so of its measurements.
 *
 * Whoever carries the bytes outside sees no secret, but may hand this enclave another ciphertext
 * than the one that it asked for, if this enclave may decrypt both. Say with an encryption context
 * what each ciphertext is for, and name the key.
 *
 * Ownership. Every object that a function returns or hands out by a pointer to a pointer belongs to
 * the caller, who frees it with the function named after it; freeing NULL does nothing. What is
 * passed in is copied where it is kept. Pointers into an object are valid until it is freed.
 * Secrets are overwritten when their answer is freed.
 *
 * Errors. Functions that can fail return NULL or false and, unless error is NULL, set *error to an
 * error to be freed; on success *error becomes NULL. No C++ exception leaves the library.
 *
 * Threads. Distinct objects are independent. One client may be used by several threads at once, and
 * so may one answer or error while nobody frees it.
 */
#ifndef CASEMATE_KMS_H
#define CASEMATE_KMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define CASEMATE_KMS_API __attribute__((visibility("default")))
#else
#define CASEMATE_KMS_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct casemate_kms_error casemate_kms_error;
typedef struct casemate_kms_client casemate_kms_client;
typedef struct casemate_kms_answer casemate_kms_answer;

/* casemate_kms_version is the library's version, "0.1.0". */
CASEMATE_KMS_API const char* casemate_kms_version(void);

/* --- errors --- */

/*
 * casemate_kms_error_type: the name of KMS's exception ("AccessDeniedException", …), or one of this
 * library's own:
 *   bad_argument      an option, a file or a request that can't be
 *   no_module         no security module, or it gave no document: not in an enclave?
 *   not_connected     nobody at the address, or the connection broke
 *   untrusted_server  TLS: who answered is not the host, as far as the CA file can tell
 *   timed_out
 *   bad_answer        what came back is no answer to the request
 *   plaintext_answer  a plaintext came back where it should have been encrypted for this enclave
 *   not_opened        what came back does not open with this client's key
 *   internal, out_of_memory
 * "" for NULL.
 */
CASEMATE_KMS_API const char* casemate_kms_error_type(const casemate_kms_error* error);
/* casemate_kms_error_message: KMS's message, or what was expected and found. "" for NULL. */
CASEMATE_KMS_API const char* casemate_kms_error_message(const casemate_kms_error* error);
/* casemate_kms_error_status: HTTP's status where KMS refused; else 0. */
CASEMATE_KMS_API int casemate_kms_error_status(const casemate_kms_error* error);
/* casemate_kms_error_request_id: of KMS's refusal, for its audit log; may be "". */
CASEMATE_KMS_API const char* casemate_kms_error_request_id(const casemate_kms_error* error);
CASEMATE_KMS_API void casemate_kms_error_free(casemate_kms_error* error);

/* --- clients --- */

/*
 * casemate_kms_attest gives an attestation document that carries a public key (DER): it writes at
 * most *document_size bytes to document, sets *document_size, and returns true. It may be called
 * from any thread that uses the client.
 */
typedef bool (*casemate_kms_attest)(void* context, const uint8_t* public_key,
                                    size_t public_key_size, uint8_t* document,
                                    size_t* document_size);

/* casemate_kms_options: set size to sizeof(casemate_kms_options) and all unused members to 0. */
typedef struct casemate_kms_options {
    size_t size;
    /* region that requests are signed for. NULL: "us-east-1". */
    const char* region;
    /* host that the server's certificate must be for. NULL: AWS's of the region,
     * "kms.us-east-1.amazonaws.com", which Casemate's certificate is for too. */
    const char* host;
    /* address to connect to: "vsock:CID:PORT"; for programs outside of an enclave "unix:PATH",
     * "tcp:IP:PORT". NULL: "vsock:3:8000", the parent's proxy. Names are not looked up. */
    const char* address;
    /* ca_file: the certificates, in PEM, of which one must vouch for the server. NULL: the file
     * that AWS_CA_BUNDLE, or else SSL_CERT_FILE, names in the environment, or else
     * "/etc/ssl/certs/ca-certificates.crt". */
    const char* ca_file;
    /* The credentials; session_token is NULL unless they are temporary ones. */
    const char* access_key_id;
    const char* secret_access_key;
    const char* session_token;
    /* timeout_ms: milliseconds to connect and shake hands, and again for the exchange. 0:
     * 30,000. */
    uint32_t timeout_ms;
    /* attest makes the documents, and gets attest_context. NULL: the enclave's security module. */
    casemate_kms_attest attest;
    void* attest_context;
} casemate_kms_options;

/*
 * casemate_kms_client_new reads the CA file; nothing is connected yet. The client makes one RSA key
 * (2,048 bits) with its first call that needs one, keeps it for its lifetime and asks for a new
 * document with each call. Each call makes a connection of its own. Errors: bad_argument.
 */
CASEMATE_KMS_API casemate_kms_client* casemate_kms_client_new(const casemate_kms_options* options,
                                                              casemate_kms_error** error);
CASEMATE_KMS_API void casemate_kms_client_free(casemate_kms_client* client);
/*
 * casemate_kms_client_set_credentials: calls that begin later sign with them. session_token may be
 * NULL. Errors: bad_argument.
 */
CASEMATE_KMS_API bool casemate_kms_client_set_credentials(casemate_kms_client* client,
                                                          const char* access_key_id,
                                                          const char* secret_access_key,
                                                          const char* session_token,
                                                          casemate_kms_error** error);

/* --- requests --- */

/*
 * casemate_kms_request: set size to sizeof(casemate_kms_request) and all unused members to 0. A
 * member that an operation does not have is not sent.
 */
typedef struct casemate_kms_request {
    size_t size;
    /* key_id: an identifier, ARN or alias. All but generate_random. */
    const char* key_id;
    /* algorithm of encryption (decrypt, encrypt), or of key agreement (derive_shared_secret, where
     * NULL is "ECDH"). */
    const char* algorithm;
    /* key_spec: "AES_256" or "AES_128" (generate_data_key); "RSA_2048", "ECC_NIST_P256", …
     * (generate_data_key_pair). */
    const char* key_spec;
    /* number_of_bytes: generate_random; generate_data_key, instead of key_spec. */
    uint32_t number_of_bytes;
    /* encryption_context: NAME, VALUE, NAME, VALUE, …, NULL; or NULL. */
    const char* const* encryption_context;
    /* grant_tokens: TOKEN, …, NULL; or NULL. */
    const char* const* grant_tokens;
    /* data: the ciphertext (decrypt), the plaintext (encrypt), the other side's public key in DER
     * (derive_shared_secret). */
    const void* data;
    size_t data_size;
} casemate_kms_request;

/*
 * The operations. The secret of an answer is the plaintext; the data key; the private key (PKCS #8,
 * DER); the random bytes; the raw shared secret, from which keys are to be derived; encrypt has
 * none. Other members of answers, by their names: CiphertextBlob (generate_data_key, encrypt),
 * PrivateKeyCiphertextBlob and PublicKey (generate_data_key_pair), KeyId, … Errors: all above.
 */
CASEMATE_KMS_API casemate_kms_answer* casemate_kms_decrypt(casemate_kms_client* client,
                                                           const casemate_kms_request* request,
                                                           casemate_kms_error** error);
CASEMATE_KMS_API casemate_kms_answer* casemate_kms_generate_data_key(
    casemate_kms_client* client, const casemate_kms_request* request, casemate_kms_error** error);
CASEMATE_KMS_API casemate_kms_answer* casemate_kms_generate_data_key_pair(
    casemate_kms_client* client, const casemate_kms_request* request, casemate_kms_error** error);
CASEMATE_KMS_API casemate_kms_answer* casemate_kms_generate_random(
    casemate_kms_client* client, const casemate_kms_request* request, casemate_kms_error** error);
CASEMATE_KMS_API casemate_kms_answer* casemate_kms_derive_shared_secret(
    casemate_kms_client* client, const casemate_kms_request* request, casemate_kms_error** error);
CASEMATE_KMS_API casemate_kms_answer* casemate_kms_encrypt(casemate_kms_client* client,
                                                           const casemate_kms_request* request,
                                                           casemate_kms_error** error);

/*
 * casemate_kms_call: any operation of KMS by its name ("Sign"), with a request in JSON of
 * request_size bytes. The five that are named at the top get their Recipient here. Errors: all
 * above.
 */
CASEMATE_KMS_API casemate_kms_answer* casemate_kms_call(casemate_kms_client* client,
                                                        const char* operation, const char* request,
                                                        size_t request_size,
                                                        casemate_kms_error** error);

/* --- answers: none of these functions takes NULL --- */

/*
 * casemate_kms_answer_secret: *size bytes of what came encrypted for this enclave; NULL and *size 0
 * where nothing did.
 */
CASEMATE_KMS_API const uint8_t* casemate_kms_answer_secret(const casemate_kms_answer* answer,
                                                           size_t* size);
/*
 * casemate_kms_answer_bytes decodes a member of the answer from base64: *size bytes; NULL and *size
 * 0 where it has no such member.
 */
CASEMATE_KMS_API const uint8_t* casemate_kms_answer_bytes(casemate_kms_answer* answer,
                                                          const char* member, size_t* size);
/* casemate_kms_answer_text is a member of the answer that is a text; NULL where there is none. */
CASEMATE_KMS_API const char* casemate_kms_answer_text(const casemate_kms_answer* answer,
                                                      const char* member);
/* casemate_kms_answer_json is the whole answer, which holds no secret of this enclave. */
CASEMATE_KMS_API const char* casemate_kms_answer_json(const casemate_kms_answer* answer);
/* casemate_kms_answer_request_id: for KMS's audit log; may be "". */
CASEMATE_KMS_API const char* casemate_kms_answer_request_id(const casemate_kms_answer* answer);
CASEMATE_KMS_API void casemate_kms_answer_free(casemate_kms_answer* answer);

#ifdef __cplusplus
}
#endif

#endif
