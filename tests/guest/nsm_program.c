/* A C program as people write them for libnsm: it asks the security module everything once and
 * prints what it gets, one line each. tests/linux/nsm_test.py compares. It extends and locks
 * register 29. Exit status 2: there is no module. */
#include <nsm.h>
#include <stdio.h>
#include <string.h>

static void print_bytes(const uint8_t* bytes, size_t size) {
    size_t i;
    for (i = 0; i < size; ++i) {
        printf("%02x", bytes[i]);
    }
    printf("\n");
}

static void describe(int32_t fd) {
    NsmDescription description;
    uint32_t i;
    printf("describe %d\n", nsm_get_description(fd, &description));
    printf("module_id %s %u\n", (const char*)description.module_id, description.module_id_len);
    printf("version %u.%u.%u\n", description.version_major, description.version_minor,
           description.version_patch);
    printf("max_pcrs %u\nlocked", description.max_pcrs);
    for (i = 0; i < description.locked_pcrs_len; ++i) {
        printf(" %u", description.locked_pcrs[i]);
    }
    printf("\ndigest %d\n", description.digest == DIGEST_SHA384);
}

static void change(int32_t fd) {
    const uint8_t data[3] = {1, 2, 3};
    uint8_t value[64];
    uint32_t size = sizeof(value);
    bool locked = false;
    ErrorCode code = nsm_describe_pcr(fd, 0, &locked, value, &size);
    printf("pcr0 %d %d ", code, locked);
    print_bytes(value, size);
    size = sizeof(value);
    printf("extend %d ", nsm_extend_pcr(fd, 29, data, sizeof(data), value, &size));
    print_bytes(value, size);
    printf("lock %d", nsm_lock_pcr(fd, 29));
    printf(" %d", nsm_lock_pcr(fd, 29));
    printf(" %d\n", nsm_lock_pcr(fd, 32));
    printf("lock_range %d", nsm_lock_pcrs(fd, 16));
    printf(" %d\n", nsm_lock_pcrs(fd, 33));
    size = 10;
    code = nsm_extend_pcr(fd, 0, data, sizeof(data), value, &size);
    printf("extend_locked %d %u\n", code, size);
    code = nsm_describe_pcr(fd, 29, &locked, value, &size);
    printf("short %d %u %d\n", code, size, locked);
}

static void attest(int32_t fd) {
    static const uint8_t most[1025];
    uint8_t document[16384];
    uint32_t size = sizeof(document);
    ErrorCode code = nsm_get_attestation_doc(fd, most, 1024, (const uint8_t*)"nonce", 5, NULL, 0,
                                             document, &size);
    printf("attest %d ", code);
    print_bytes(document, code == ERROR_CODE_SUCCESS ? size : 0);
    size = sizeof(document);
    printf("attest_more %d\n",
           nsm_get_attestation_doc(fd, NULL, 0, NULL, 0, most, 1025, document, &size));
}

static void take_random(int32_t fd) {
    uint8_t first[300] = {0};
    uint8_t second[300] = {0};
    size_t size = sizeof(first);
    size_t again = 16;
    ErrorCode code = nsm_get_random(fd, first, &size);
    printf("random %d %lu\n", code, (unsigned long)size);
    code = nsm_get_random(fd, second, &again);
    printf("random_again %d %lu %d\n", code, (unsigned long)again, memcmp(first, second, 16) != 0);
}

int main(void) {
    const int32_t fd = nsm_lib_init();
    if (fd < 0) {
        perror("/dev/nsm");
        return 2;
    }
    describe(fd);
    change(fd);
    attest(fd);
    take_random(fd);
    nsm_lib_exit(fd);
    return 0;
}
