// The functions of nsm.h.

// All that the shared library shows.
#pragma GCC visibility push(default)
#include "nsm.h"
#pragma GCC visibility pop

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "guest/nsm/driver.hpp"
#include "guest/nsm/messages.hpp"

// Programs pass and read these by their layout (AWS's nsm.h).
static_assert(sizeof(NsmDescription) == 252 && offsetof(NsmDescription, module_id) == 6 &&
              offsetof(NsmDescription, module_id_len) == 108 &&
              offsetof(NsmDescription, max_pcrs) == 112 &&
              offsetof(NsmDescription, locked_pcrs) == 114 &&
              offsetof(NsmDescription, locked_pcrs_len) == 244 &&
              offsetof(NsmDescription, digest) == 248);
static_assert(sizeof(Digest) == 4 && sizeof(ErrorCode) == 4 && ERROR_CODE_INTERNAL_ERROR == 8);

namespace casemate::libnsm {

namespace {

// Conversation: a request, and the response to it, which does not outlive its reader: it may be
// random bytes that became a key.
class Conversation {
public:
    Conversation() = default;
    ~Conversation() { explicit_bzero(buffer_.data(), buffer_.size()); }
    Conversation(const Conversation&) = delete;
    Conversation& operator=(const Conversation&) = delete;

    RequestWriter& request() { return request_; }
    [[nodiscard]] ByteView response() const { return response_; }

    [[nodiscard]] ErrorCode ask(int fd) {
        if (!request_.fits()) {
            return ERROR_CODE_INPUT_TOO_LARGE;
        }
        return exchange(fd, request_.view(), buffer_, response_);
    }

private:
    RequestWriter request_;
    std::array<std::uint8_t, kMaxResponse> buffer_;
    ByteView response_;
};

// copy_out gives a result to the caller's buffer as nsm.h says.
ErrorCode copy_out(ByteView result, std::uint8_t* buffer, std::uint32_t& size) {
    if (buffer == nullptr) {
        size = 0;
        return ERROR_CODE_BUFFER_TOO_SMALL;
    }
    const std::size_t copied = std::min<std::size_t>(size, result.size());
    if (copied > 0) {
        std::memcpy(buffer, result.data(), copied);
    }
    size = static_cast<std::uint32_t>(copied);
    return copied == result.size() ? ERROR_CODE_SUCCESS : ERROR_CODE_BUFFER_TOO_SMALL;
}

// put_number begins {name: {key: value, …}} with this many pairs.
void put_number(RequestWriter& request, std::string_view name, std::size_t pairs,
                std::string_view key, std::uint16_t value) {
    request.put_map(1);
    request.put_text(name);
    request.put_map(pairs);
    request.put_text(key);
    request.put_uint(value);
}

void put_optional(RequestWriter& request, std::string_view key, const std::uint8_t* data,
                  std::uint32_t size) {
    request.put_text(key);
    if (data == nullptr) {
        request.put_null();
    } else {
        request.put_bytes({data, size});
    }
}

ErrorCode lock(int fd, std::string_view name, std::string_view key, std::uint16_t value) {
    Conversation conversation;
    put_number(conversation.request(), name, 1, key, value);
    const ErrorCode code = conversation.ask(fd);
    return code == ERROR_CODE_SUCCESS ? read_acknowledgement(conversation.response(), name) : code;
}

}  // namespace

}  // namespace casemate::libnsm

using namespace casemate::libnsm;

int32_t nsm_lib_init(void) {
    return open("/dev/nsm", O_RDWR | O_CLOEXEC);
}

void nsm_lib_exit(int32_t fd) {
    close(fd);
}

ErrorCode nsm_extend_pcr(int32_t fd, uint16_t index, const uint8_t* data, uint32_t data_len,
                         uint8_t* pcr_data, uint32_t* pcr_data_len) {
    if (data == nullptr || pcr_data_len == nullptr) {
        return ERROR_CODE_INVALID_ARGUMENT;
    }
    Conversation conversation;
    put_number(conversation.request(), "ExtendPCR", 2, "index", index);
    conversation.request().put_text("data");
    conversation.request().put_bytes({data, data_len});
    if (const ErrorCode code = conversation.ask(fd); code != ERROR_CODE_SUCCESS) {
        return code;
    }
    casemate::ByteView value;
    const ErrorCode code = read_data(conversation.response(), "ExtendPCR", "data", value);
    return code == ERROR_CODE_SUCCESS ? copy_out(value, pcr_data, *pcr_data_len) : code;
}

ErrorCode nsm_describe_pcr(int32_t fd, uint16_t index, bool* lock, uint8_t* data,
                           uint32_t* data_len) {
    if (lock == nullptr || data_len == nullptr) {
        return ERROR_CODE_INVALID_ARGUMENT;
    }
    Conversation conversation;
    put_number(conversation.request(), "DescribePCR", 1, "index", index);
    if (const ErrorCode code = conversation.ask(fd); code != ERROR_CODE_SUCCESS) {
        return code;
    }
    bool locked = false;
    casemate::ByteView value;
    const ErrorCode code = read_register(conversation.response(), locked, value);
    if (code != ERROR_CODE_SUCCESS) {
        return code;
    }
    *lock = locked;
    return copy_out(value, data, *data_len);
}

ErrorCode nsm_lock_pcr(int32_t fd, uint16_t index) {
    return lock(fd, "LockPCR", "index", index);
}

ErrorCode nsm_lock_pcrs(int32_t fd, uint16_t range) {
    return lock(fd, "LockPCRs", "range", range);
}

ErrorCode nsm_get_description(int32_t fd, NsmDescription* nsm_description) {
    if (nsm_description == nullptr) {
        return ERROR_CODE_INVALID_ARGUMENT;
    }
    Conversation conversation;
    conversation.request().put_text("DescribeNSM");
    const ErrorCode code = conversation.ask(fd);
    return code == ERROR_CODE_SUCCESS ? read_description(conversation.response(), *nsm_description)
                                      : code;
}

ErrorCode nsm_get_attestation_doc(int32_t fd, const uint8_t* user_data, uint32_t user_data_len,
                                  const uint8_t* nonce_data, uint32_t nonce_len,
                                  const uint8_t* pub_key_data, uint32_t pub_key_len,
                                  uint8_t* att_doc_data, uint32_t* att_doc_len) {
    if (att_doc_len == nullptr) {
        return ERROR_CODE_INVALID_ARGUMENT;
    }
    Conversation conversation;
    RequestWriter& request = conversation.request();
    request.put_map(1);
    request.put_text("Attestation");
    request.put_map(3);
    put_optional(request, "user_data", user_data, user_data_len);
    put_optional(request, "nonce", nonce_data, nonce_len);
    put_optional(request, "public_key", pub_key_data, pub_key_len);
    if (const ErrorCode code = conversation.ask(fd); code != ERROR_CODE_SUCCESS) {
        return code;
    }
    casemate::ByteView document;
    const ErrorCode code = read_data(conversation.response(), "Attestation", "document", document);
    return code == ERROR_CODE_SUCCESS ? copy_out(document, att_doc_data, *att_doc_len) : code;
}

ErrorCode nsm_get_random(int32_t fd, uint8_t* buf, uintptr_t* buf_len) {
    if (fd < 0 || buf == nullptr || buf_len == nullptr || *buf_len == 0) {
        return ERROR_CODE_INVALID_ARGUMENT;
    }
    Conversation conversation;
    conversation.request().put_text("GetRandom");
    if (const ErrorCode code = conversation.ask(fd); code != ERROR_CODE_SUCCESS) {
        return code;
    }
    casemate::ByteView random;
    const ErrorCode code = read_data(conversation.response(), "GetRandom", "random", random);
    if (code != ERROR_CODE_SUCCESS) {
        return code;
    }
    *buf_len = std::min<std::size_t>(*buf_len, random.size());
    if (*buf_len > 0) {
        std::memcpy(buf, random.data(), *buf_len);
    }
    return ERROR_CODE_SUCCESS;
}
