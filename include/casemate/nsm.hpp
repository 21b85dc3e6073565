// The security module of an enclave, /dev/nsm, for C++20 programs: values instead of the buffers
// and lengths of nsm.h, on which this header stands. Link with -lnsm. It throws nothing but
// std::bad_alloc.
//
//     const auto module = casemate::SecurityModule::open();
//     if (!module) { … }                                  // not in an enclave; errno says why
//     const auto document = module->attest({.nonce = nonce, .public_key = key});
//     if (!document) { … casemate::describe(document.error()) … }
//     send(*document);
#pragma once

#include <nsm.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace casemate {

// describe is an error in a few words.
[[nodiscard]] constexpr std::string_view describe(ErrorCode code) {
    switch (code) {
        case ERROR_CODE_SUCCESS:
            return "success";
        case ERROR_CODE_INVALID_ARGUMENT:
            return "invalid argument";
        case ERROR_CODE_INVALID_INDEX:
            return "no register of this index";
        case ERROR_CODE_INVALID_RESPONSE:
            return "invalid response";
        case ERROR_CODE_READ_ONLY_INDEX:
            return "the register is locked";
        case ERROR_CODE_INVALID_OPERATION:
            return "the security module does not offer this";
        case ERROR_CODE_BUFFER_TOO_SMALL:
            return "buffer too small";
        case ERROR_CODE_INPUT_TOO_LARGE:
            return "input too large";
        case ERROR_CODE_INTERNAL_ERROR:
            return "internal error";
    }
    return "unknown error";
}

// NsmResult: a value, or the module's error. Ask which before taking either.
template <class T>
class [[nodiscard]] NsmResult {
public:
    // NOLINTBEGIN(google-explicit-constructor): values and errors turn into results silently.
    NsmResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    NsmResult(ErrorCode error) : state_(std::in_place_index<1>, error) {}
    // NOLINTEND(google-explicit-constructor)

    [[nodiscard]] bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& operator*() & { return *std::get_if<0>(&state_); }
    const T& operator*() const& { return *std::get_if<0>(&state_); }
    T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
    T* operator->() { return std::get_if<0>(&state_); }
    const T* operator->() const { return std::get_if<0>(&state_); }

    // error is ERROR_CODE_SUCCESS where there is a value.
    [[nodiscard]] ErrorCode error() const {
        return ok() ? ERROR_CODE_SUCCESS : *std::get_if<1>(&state_);
    }

private:
    std::variant<T, ErrorCode> state_;
};

// NsmModule: what the module says of itself.
struct NsmModule {
    std::array<std::uint16_t, 3> version{};  // major, minor, patch
    std::string module_id;
    std::uint16_t max_pcrs = 0;
    std::vector<std::uint16_t> locked_pcrs;  // ascending
    Digest digest = DIGEST_SHA384;
};

// NsmPcr: a platform configuration register.
struct NsmPcr {
    std::vector<std::uint8_t> value;
    bool locked = false;
};

// NsmAttested: what a document shall carry beside the registers, each up to 1,024 bytes.
struct NsmAttested {
    std::optional<std::span<const std::uint8_t>> user_data = {};
    // A number from whoever will verify the document: it proves that the document is fresh.
    std::optional<std::span<const std::uint8_t>> nonce = {};
    // A key of this enclave's (DER), so that others can encrypt to it.
    std::optional<std::span<const std::uint8_t>> public_key = {};
};

// SecurityModule: the open device. Several threads may use one. Every operation may fail with the
// errors that nsm.h lists for all.
class SecurityModule {
public:
    // open opens /dev/nsm; nothing, and errno, where that fails: ENOENT outside of enclaves.
    [[nodiscard]] static std::optional<SecurityModule> open() {
        const std::int32_t fd = nsm_lib_init();
        return fd >= 0 ? std::optional<SecurityModule>(SecurityModule(fd)) : std::nullopt;
    }

    SecurityModule(SecurityModule&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    SecurityModule& operator=(SecurityModule&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    SecurityModule(const SecurityModule&) = delete;
    SecurityModule& operator=(const SecurityModule&) = delete;
    ~SecurityModule() {
        if (fd_ >= 0) {
            nsm_lib_exit(fd_);
        }
    }

    // fd is the descriptor, for the functions of nsm.h; it stays this object's.
    [[nodiscard]] std::int32_t fd() const { return fd_; }

    [[nodiscard]] NsmResult<NsmModule> describe() const {
        NsmDescription raw{};
        if (const ErrorCode code = nsm_get_description(fd_, &raw); code != ERROR_CODE_SUCCESS) {
            return code;
        }
        const std::span locked(raw.locked_pcrs, raw.locked_pcrs_len);
        return NsmModule{{raw.version_major, raw.version_minor, raw.version_patch},
                         std::string(raw.module_id, raw.module_id + raw.module_id_len),
                         raw.max_pcrs,
                         {locked.begin(), locked.end()},
                         raw.digest};
    }

    // pcr reads a register. ERROR_CODE_INVALID_INDEX.
    [[nodiscard]] NsmResult<NsmPcr> pcr(std::uint16_t index) const {
        NsmPcr found;
        found.value.resize(kMaxDigest);
        auto size = static_cast<std::uint32_t>(kMaxDigest);
        const ErrorCode code =
            nsm_describe_pcr(fd_, index, &found.locked, found.value.data(), &size);
        if (code != ERROR_CODE_SUCCESS) {
            return code;
        }
        found.value.resize(size);
        return found;
    }

    // extend makes the register the digest of its value and data, and gives the new value.
    // ERROR_CODE_INVALID_INDEX, ERROR_CODE_READ_ONLY_INDEX.
    [[nodiscard]] NsmResult<std::vector<std::uint8_t>> extend(
        std::uint16_t index, std::span<const std::uint8_t> data) const {
        std::vector<std::uint8_t> value(kMaxDigest);
        auto size = static_cast<std::uint32_t>(kMaxDigest);
        const ErrorCode code =
            nsm_extend_pcr(fd_, index, not_null(data), length(data), value.data(), &size);
        if (code != ERROR_CODE_SUCCESS) {
            return code;
        }
        value.resize(size);
        return value;
    }

    // lock locks a register for good, so that documents carry it; ERROR_CODE_SUCCESS, or
    // ERROR_CODE_INVALID_INDEX, or ERROR_CODE_READ_ONLY_INDEX where it is locked already.
    [[nodiscard]] ErrorCode lock(std::uint16_t index) const { return nsm_lock_pcr(fd_, index); }

    // lock_range locks the registers below count, of which some may be locked.
    [[nodiscard]] ErrorCode lock_range(std::uint16_t count) const {
        return nsm_lock_pcrs(fd_, count);
    }

    // attest gives an attestation document: a signed, untagged COSE_Sign1.
    // ERROR_CODE_INPUT_TOO_LARGE.
    [[nodiscard]] NsmResult<std::vector<std::uint8_t>> attest(const NsmAttested& given = {}) const {
        std::vector<std::uint8_t> document(kMaxDocument);
        auto size = static_cast<std::uint32_t>(kMaxDocument);
        const Optional user_data(given.user_data);
        const Optional nonce(given.nonce);
        const Optional public_key(given.public_key);
        const ErrorCode code =
            nsm_get_attestation_doc(fd_, user_data.data, user_data.size, nonce.data, nonce.size,
                                    public_key.data, public_key.size, document.data(), &size);
        if (code != ERROR_CODE_SUCCESS) {
            return code;
        }
        document.resize(size);
        return document;
    }

    // random fills the whole of out with random bytes, of which the module gives 256 at a time; on
    // an error out is not to be used.
    [[nodiscard]] ErrorCode random(std::span<std::uint8_t> out) const {
        while (!out.empty()) {
            std::uintptr_t size = out.size();
            if (const ErrorCode code = nsm_get_random(fd_, out.data(), &size);
                code != ERROR_CODE_SUCCESS) {
                return code;
            }
            if (size == 0) {
                return ERROR_CODE_INVALID_RESPONSE;
            }
            out = out.subspan(size);
        }
        return ERROR_CODE_SUCCESS;
    }

private:
    // Bytes: of the longest digest, and of the longest response.
    static constexpr std::size_t kMaxDigest = 64;
    static constexpr std::size_t kMaxDocument = 0x3000;

    explicit SecurityModule(std::int32_t fd) : fd_(fd) {}

    // not_null: for the functions of nsm.h a null pointer is no data at all, not empty data.
    static const std::uint8_t* not_null(std::span<const std::uint8_t> data) {
        static constexpr std::uint8_t kNothing = 0;
        return data.data() != nullptr ? data.data() : &kNothing;
    }
    // length, where what does not fit is more than any request may have all the same.
    static std::uint32_t length(std::span<const std::uint8_t> data) {
        return data.size() < UINT32_MAX ? static_cast<std::uint32_t>(data.size()) : UINT32_MAX;
    }

    struct Optional {
        explicit Optional(const std::optional<std::span<const std::uint8_t>>& given)
            : data(given ? not_null(*given) : nullptr), size(given ? length(*given) : 0) {}
        const std::uint8_t* data;
        std::uint32_t size;
    };

    std::int32_t fd_;
};

}  // namespace casemate
