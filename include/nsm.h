/*
 * nsm.h: the security module of an enclave, /dev/nsm, for C programs. Link with -lnsm.
 *
 * Names, types, layouts and values are those of the library of the same name that AWS offers for
 * Nitro Enclaves, version 0.5: programs written for it compile, and programs linked with it run,
 * unchanged. The device and its messages are AWS's too.
 *
 * Functions may be called from several threads, with the same descriptor too. No function keeps a
 * pointer that it was given. Where a buffer takes a result, its length is passed by a pointer: in,
 * the bytes that the buffer has; out, the bytes that were written. ERROR_CODE_BUFFER_TOO_SMALL
 * means that the operation was done and its result cut to what fits; for a buffer that is NULL,
 * nothing is written and the length out is 0.
 *
 * Besides what each function lists, every one may return
 *   ERROR_CODE_INVALID_ARGUMENT   a pointer is NULL that may not be; the module was not asked
 *   ERROR_CODE_INPUT_TOO_LARGE    the request would have more than 4,096 bytes
 *   ERROR_CODE_INVALID_RESPONSE   the module answered another request
 *   ERROR_CODE_INTERNAL_ERROR     fd is not the module's, or its driver or the module failed, or
 *                                 the module's answer is none
 * and any error that the module itself answers.
 */
#ifndef NSM_LIB_H
#define NSM_LIB_H

/* Programs written for AWS's header rely on all of these. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* The digest that the registers are made with. */
typedef enum Digest {
    DIGEST_SHA256,
    DIGEST_SHA384,
    DIGEST_SHA512,
} Digest;

/* How an operation ended. */
typedef enum ErrorCode {
    ERROR_CODE_SUCCESS,
    ERROR_CODE_INVALID_ARGUMENT,
    /* There is no register of this index. */
    ERROR_CODE_INVALID_INDEX,
    ERROR_CODE_INVALID_RESPONSE,
    /* The register is locked. */
    ERROR_CODE_READ_ONLY_INDEX,
    /* The module does not offer this, or could not make sense of the request. */
    ERROR_CODE_INVALID_OPERATION,
    ERROR_CODE_BUFFER_TOO_SMALL,
    ERROR_CODE_INPUT_TOO_LARGE,
    ERROR_CODE_INTERNAL_ERROR,
} ErrorCode;

/* What nsm_get_description tells. */
typedef struct NsmDescription {
    uint16_t version_major;
    uint16_t version_minor;
    uint16_t version_patch;
    /* The module's identity, cut to 99 bytes, ended by a NUL that module_id_len does not count. */
    uint8_t module_id[100];
    uint32_t module_id_len;
    /* Registers have the indexes below max_pcrs. */
    uint16_t max_pcrs;
    /* The indexes of the locked ones, ascending: locked_pcrs_len of them. */
    uint16_t locked_pcrs[64];
    uint32_t locked_pcrs_len;
    Digest digest;
} NsmDescription;

#ifdef __cplusplus
extern "C" {
#endif

/* Opens /dev/nsm. Returns its descriptor, which the caller closes by nsm_lib_exit, or -1 and errno:
 * ENOENT outside of enclaves. */
int32_t nsm_lib_init(void);

/* Closes the descriptor. */
void nsm_lib_exit(int32_t fd);

/* Makes register index the digest of its value and data_len bytes of data, and gives the new value.
 * ERROR_CODE_INVALID_ARGUMENT: data is NULL. ERROR_CODE_INVALID_INDEX. ERROR_CODE_READ_ONLY_INDEX.
 */
ErrorCode nsm_extend_pcr(int32_t fd, uint16_t index, const uint8_t* data, uint32_t data_len,
                         uint8_t* pcr_data, uint32_t* pcr_data_len);

/* Gives the value of register index, and whether it is locked. ERROR_CODE_INVALID_INDEX. */
ErrorCode nsm_describe_pcr(int32_t fd, uint16_t index, bool* lock, uint8_t* data,
                           uint32_t* data_len);

/* Locks register index for good. ERROR_CODE_INVALID_INDEX. ERROR_CODE_READ_ONLY_INDEX: it is locked
 * already. */
ErrorCode nsm_lock_pcr(int32_t fd, uint16_t index);

/* Locks the registers below range, of which some may be locked. ERROR_CODE_INVALID_INDEX. */
ErrorCode nsm_lock_pcrs(int32_t fd, uint16_t range);

/* Describes the module. On an error the description is left alone. */
ErrorCode nsm_get_description(int32_t fd, NsmDescription* nsm_description);

/* Gives an attestation document: a signed, untagged COSE_Sign1 over the locked registers and over
 * what is given, each up to 1,024 bytes; a NULL pointer leaves that part out. A document has about
 * 4,500 bytes and at most 12,288. ERROR_CODE_INPUT_TOO_LARGE. */
ErrorCode nsm_get_attestation_doc(int32_t fd, const uint8_t* user_data, uint32_t user_data_len,
                                  const uint8_t* nonce_data, uint32_t nonce_len,
                                  const uint8_t* pub_key_data, uint32_t pub_key_len,
                                  uint8_t* att_doc_data, uint32_t* att_doc_len);

/* Gives random bytes, at most 256 at a time; fewer than the buffer has are no error.
 * ERROR_CODE_INVALID_ARGUMENT: fd is negative, or the buffer is NULL or empty. */
ErrorCode nsm_get_random(int32_t fd, uint8_t* buf, uintptr_t* buf_len);

#ifdef __cplusplus
}
#endif

#endif /* NSM_LIB_H */
