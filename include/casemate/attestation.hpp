// Verifying attestation documents of enclaves, for C++20: the C interface of casemate/attestation.h
// with owners and exceptions. Header only; links with libcasemate-attestation.
//
//     using namespace casemate::relying_party;
//     const Verifier verifier(roots_pem);
//     Policy policy;
//     policy.set_nonce(nonce).expect_image("app.eif");
//     const Document document = verifier.verify(bytes, policy);   // or Refusal is thrown
#pragma once

#include <casemate/attestation.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace casemate::relying_party {

using Bytes = std::span<const std::uint8_t>;
// Time: the wall clock in milliseconds, as documents have it.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

// Refusal is thrown when a document is refused or something can't be used. what() is a sentence
// with what was expected and what was found.
class Refusal : public std::runtime_error {
public:
    Refusal(std::string identifier, const std::string& message)
        : std::runtime_error(message), identifier_(std::move(identifier)) {}
    // identifier names the reason for programs: "expired", "nonce_mismatch", …
    [[nodiscard]] const std::string& identifier() const noexcept { return identifier_; }

private:
    std::string identifier_;
};

namespace detail {

// Free calls the C interface's function that frees an object.
template <auto Function>
struct Free {
    template <class T>
    void operator()(T* object) const noexcept {
        Function(object);
    }
};

template <class T, auto Function>
using Owned = std::unique_ptr<T, Free<Function>>;

// ErrorSlot is where a call leaves its error, and what throws it.
class ErrorSlot {
public:
    [[nodiscard]] casemate_attestation_error** slot() noexcept { return &error_; }
    ErrorSlot() = default;
    ErrorSlot(const ErrorSlot&) = delete;
    ErrorSlot& operator=(const ErrorSlot&) = delete;
    ~ErrorSlot() { casemate_attestation_error_free(error_); }

    void require(bool succeeded) const {
        if (!succeeded) {
            throw Refusal(casemate_attestation_error_identifier(error_),
                          casemate_attestation_error_message(error_));
        }
    }

private:
    casemate_attestation_error* error_ = nullptr;
};

}  // namespace detail

// Policy: what is expected of a document; see casemate/attestation.h for each. The functions that
// throw Refusal do so for a value that can't be expected. Move-only.
class Policy {
public:
    Policy() {
        detail::ErrorSlot error;
        policy_.reset(casemate_attestation_policy_new(error.slot()));
        error.require(policy_ != nullptr);
    }

    Policy& set_time(Time time) {
        casemate_attestation_policy_set_time(get(), time.time_since_epoch().count());
        return *this;
    }
    Policy& use_document_time() {
        casemate_attestation_policy_use_document_time(get());
        return *this;
    }
    Policy& set_max_age(std::chrono::milliseconds age) {
        casemate_attestation_policy_set_max_age(get(), age.count());
        return *this;
    }
    Policy& set_clock_skew(std::chrono::milliseconds skew) {
        casemate_attestation_policy_set_clock_skew(get(), skew.count());
        return *this;
    }
    Policy& set_nonce(Bytes nonce) {
        detail::ErrorSlot error;
        error.require(
            casemate_attestation_policy_set_nonce(get(), nonce.data(), nonce.size(), error.slot()));
        return *this;
    }
    Policy& allow_isolation(const std::string& isolation) {
        detail::ErrorSlot error;
        error.require(
            casemate_attestation_policy_allow_isolation(get(), isolation.c_str(), error.slot()));
        return *this;
    }
    Policy& require_isolation(const std::string& isolation) {
        detail::ErrorSlot error;
        error.require(
            casemate_attestation_policy_require_isolation(get(), isolation.c_str(), error.slot()));
        return *this;
    }
    Policy& allow_debug(bool allow = true) {
        casemate_attestation_policy_allow_debug(get(), allow);
        return *this;
    }
    Policy& expect_pcr(std::uint32_t index, Bytes value) {
        detail::ErrorSlot error;
        error.require(casemate_attestation_policy_expect_pcr(get(), index, value.data(),
                                                             value.size(), error.slot()));
        return *this;
    }
    Policy& expect_pcrs_json(std::string_view json) {
        detail::ErrorSlot error;
        error.require(casemate_attestation_policy_expect_pcrs_json(get(), json.data(), json.size(),
                                                                   error.slot()));
        return *this;
    }
    Policy& expect_image(const std::string& path) {
        detail::ErrorSlot error;
        error.require(casemate_attestation_policy_expect_image(get(), path.c_str(), error.slot()));
        return *this;
    }

    [[nodiscard]] const casemate_attestation_policy* get() const noexcept { return policy_.get(); }

private:
    casemate_attestation_policy* get() noexcept { return policy_.get(); }
    detail::Owned<casemate_attestation_policy, casemate_attestation_policy_free> policy_;
};

// Document: what a verified document says. Views are valid as long as it is. Move-only.
class Document {
public:
    [[nodiscard]] std::string_view module_id() const {
        return casemate_attestation_document_module_id(get());
    }
    [[nodiscard]] Time timestamp() const {
        return time(casemate_attestation_document_timestamp(get()));
    }
    [[nodiscard]] std::string_view isolation() const {
        return casemate_attestation_document_isolation(get());
    }
    [[nodiscard]] bool debug() const { return casemate_attestation_document_debug(get()); }
    // pcr gives 48 bytes, or nothing for a register that the document does not have.
    [[nodiscard]] std::optional<Bytes> pcr(std::uint32_t index) const {
        const auto* value = casemate_attestation_document_pcr(get(), index);
        if (value == nullptr) {
            return std::nullopt;
        }
        return Bytes(value, CASEMATE_ATTESTATION_PCR_SIZE);
    }
    [[nodiscard]] std::optional<Bytes> public_key() const {
        return field(casemate_attestation_document_public_key);
    }
    [[nodiscard]] std::optional<Bytes> user_data() const {
        return field(casemate_attestation_document_user_data);
    }
    [[nodiscard]] std::optional<Bytes> nonce() const {
        return field(casemate_attestation_document_nonce);
    }
    // root is the SHA-256 of the root certificate's DER.
    [[nodiscard]] Bytes root() const {
        return {casemate_attestation_document_root(get()), CASEMATE_ATTESTATION_FINGERPRINT_SIZE};
    }
    [[nodiscard]] Time valid_from() const {
        return time(casemate_attestation_document_valid_from(get()));
    }
    [[nodiscard]] Time valid_until() const {
        return time(casemate_attestation_document_valid_until(get()));
    }

private:
    friend class Verifier;
    using Getter = const std::uint8_t* (*)(const casemate_attestation_document*, std::size_t*);

    explicit Document(casemate_attestation_document* document) : document_(document) {}
    [[nodiscard]] const casemate_attestation_document* get() const { return document_.get(); }
    static Time time(std::int64_t milliseconds) {
        return Time(std::chrono::milliseconds(milliseconds));
    }
    [[nodiscard]] std::optional<Bytes> field(Getter getter) const {
        std::size_t size = 0;
        const auto* data = getter(get(), &size);
        if (data == nullptr) {
            return std::nullopt;
        }
        return Bytes(data, size);
    }

    detail::Owned<casemate_attestation_document, casemate_attestation_document_free> document_;
};

// Verifier: the trusted roots. Several threads may use one. Move-only.
class Verifier {
public:
    // Throws Refusal "bad_roots".
    explicit Verifier(std::string_view roots_pem) {
        detail::ErrorSlot error;
        verifier_.reset(
            casemate_attestation_verifier_new(roots_pem.data(), roots_pem.size(), error.slot()));
        error.require(verifier_ != nullptr);
    }

    // verify throws Refusal unless the document is genuine and as expected.
    [[nodiscard]] Document verify(Bytes document, const Policy& policy) const {
        return run(document, policy, nullptr);
    }
    // The same, and every step of the check list as JSON, also when Refusal is thrown.
    [[nodiscard]] Document verify(Bytes document, const Policy& policy,
                                  std::string& explanation) const {
        char* text = nullptr;
        struct Copy {
            char*& from;
            std::string& to;
            ~Copy() {
                try {
                    to = from == nullptr ? "" : from;
                } catch (...) {
                    to.clear();
                }
                casemate_attestation_text_free(from);
            }
        } copy{text, explanation};
        return run(document, policy, &text);
    }

private:
    Document run(Bytes document, const Policy& policy, char** explanation) const {
        detail::ErrorSlot error;
        Document verified(casemate_attestation_verify(verifier_.get(), policy.get(),
                                                      document.data(), document.size(), explanation,
                                                      error.slot()));
        error.require(verified.document_ != nullptr);
        return verified;
    }

    detail::Owned<casemate_attestation_verifier, casemate_attestation_verifier_free> verifier_;
};

}  // namespace casemate::relying_party
