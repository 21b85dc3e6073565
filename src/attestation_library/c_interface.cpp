// The verifier for C (casemate/attestation.h). Nothing is decided here: arguments are checked and
// copied, results handed out, exceptions kept in.
#include <casemate/attestation.h>
#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <tuple>
#include <utility>

#include "attestation/report.hpp"
#include "attestation/verifier.hpp"
#include "base/fd.hpp"

namespace att = casemate::attestation;

using att::AttestationErrc;
using att::ExpectedPcrs;
using casemate::ByteView;
using casemate::Error;
using casemate::Result;

struct casemate_attestation_error {
    std::string identifier;
    std::string message;
};

struct casemate_attestation_verifier {
    att::Verifier verifier;
};

struct casemate_attestation_policy {
    att::Policy policy;
    // Whether policy.now was set; else the clock is asked.
    bool has_time = false;
    // The registers given one by one, and all others; policy.pcrs is both together.
    ExpectedPcrs::Alternative by_value;
    ExpectedPcrs others;
};

struct casemate_attestation_document {
    att::VerifiedDocument document;
    std::string isolation;
};

namespace {

static_assert(CASEMATE_ATTESTATION_PCR_SIZE == att::kPcrSize);
static_assert(CASEMATE_ATTESTATION_FINGERPRINT_SIZE ==
              std::tuple_size_v<casemate::crypto::Digest256>);

// What is handed out when there is no memory for an error: its texts are short enough to need none
// either, and it is never freed.
casemate_attestation_error& out_of_memory() {
    static casemate_attestation_error error{"out_of_memory", "out of memory"};
    return error;
}

void set_error(casemate_attestation_error** slot, std::string_view identifier,
               std::string_view message) {
    if (slot == nullptr) {
        return;
    }
    try {
        *slot = new casemate_attestation_error{std::string(identifier), std::string(message)};
    } catch (const std::bad_alloc&) {
        *slot = &out_of_memory();
    }
}

void set_error(casemate_attestation_error** slot, const Error& error) {
    // What is none of the attestation room's refusals comes from what the caller gave.
    const auto code = error.code_as<AttestationErrc>().value_or(AttestationErrc::bad_expectation);
    set_error(slot, att::identifier(code), error.message());
}

Error expectation(std::string sentence) {
    return {AttestationErrc::bad_expectation, std::move(sentence)};
}

// guarded runs what may throw; nothing is left of it but an error.
template <class T, class Body>
T guarded(casemate_attestation_error** error, T failure, const Body& body) noexcept {
    if (error != nullptr) {
        *error = nullptr;
    }
    try {
        return body();
    } catch (const std::bad_alloc&) {
        if (error != nullptr) {
            *error = &out_of_memory();
        }
    } catch (const std::exception& exception) {
        set_error(error, "internal_error", exception.what());
    } catch (...) {
        set_error(error, "internal_error", "unknown exception");
    }
    return failure;
}

bool bad_argument(casemate_attestation_error** error, std::string_view names) {
    set_error(error, "bad_argument", "expected " + std::string(names) + ", found NULL");
    return false;
}

// present tells whether a pointer may be used for size bytes.
bool present(const void* bytes, std::size_t size) {
    return bytes != nullptr || size == 0;
}

ByteView view(const void* bytes, std::size_t size) {
    return {static_cast<const std::uint8_t*>(bytes), size};
}

// narrow sets what is expected of registers, or fails and changes nothing.
Result<> narrow(casemate_attestation_policy& policy, ExpectedPcrs::Alternative by_value,
                ExpectedPcrs others) {
    ExpectedPcrs both = others;
    if (!by_value.empty()) {
        ExpectedPcrs single;
        single.add_alternative(by_value);
        CASEMATE_CHECK(both.combine(single));
    }
    policy.policy.pcrs = std::move(both);
    policy.by_value = std::move(by_value);
    policy.others = std::move(others);
    return {};
}

Result<> expect_value(casemate_attestation_policy& policy, std::uint32_t index, ByteView value) {
    if (index >= att::kPcrCount || value.size() != att::kPcrSize) {
        return expectation("expected a register of 0 to 31 and 48 bytes, found register " +
                           std::to_string(index) + " and " + std::to_string(value.size()) +
                           " bytes");
    }
    att::PcrValue pcr{};
    std::copy(value.begin(), value.end(), pcr.begin());
    ExpectedPcrs::Alternative by_value = policy.by_value;
    by_value[static_cast<std::uint16_t>(index)].insert(pcr);
    return narrow(policy, std::move(by_value), policy.others);
}

Result<> expect_all(casemate_attestation_policy& policy, const ExpectedPcrs& expected) {
    ExpectedPcrs others = policy.others;
    CASEMATE_CHECK(others.combine(expected));
    return narrow(policy, policy.by_value, std::move(others));
}

Result<> expect_json(casemate_attestation_policy& policy, std::string_view json) {
    CASEMATE_TRY(const ExpectedPcrs expected, ExpectedPcrs::from_json(json));
    return expect_all(policy, expected);
}

Result<> expect_image(casemate_attestation_policy& policy, const std::string& path) {
    CASEMATE_TRY(const casemate::UniqueFd image, casemate::open_file(path, O_RDONLY));
    auto expected = ExpectedPcrs::from_eif(image.get());
    if (!expected) {
        return std::move(expected).error().while_doing(path);
    }
    return expect_all(policy, *expected);
}

Result<> set_nonce(casemate_attestation_policy& policy, ByteView nonce) {
    if (nonce.empty() || nonce.size() > att::kMaxField) {
        return expectation("expected a nonce of 1 to 1024 bytes, found " +
                           std::to_string(nonce.size()));
    }
    policy.policy.nonce.emplace(nonce.begin(), nonce.end());
    return {};
}

Result<att::Isolation> read_isolation(std::string_view name) {
    const auto isolation = att::parse_isolation(name);
    if (!isolation || *isolation == att::Isolation::unknown) {
        return expectation("expected software, kvm or nitro, found another isolation");
    }
    return *isolation;
}

Result<> allow_isolation(casemate_attestation_policy& policy, std::string_view name) {
    CASEMATE_TRY(const att::Isolation isolation, read_isolation(name));
    policy.policy.isolation.insert(isolation);
    return {};
}

Result<> require_isolation(casemate_attestation_policy& policy, std::string_view name) {
    CASEMATE_TRY(const att::Isolation isolation, read_isolation(name));
    policy.policy.isolation = {isolation};
    return {};
}

// done tells whether something succeeded, and hands out its error.
bool done(const Result<>& result, casemate_attestation_error** error) {
    if (!result) {
        set_error(error, result.error());
    }
    return result.ok();
}

Result<att::Verifier> make_verifier(ByteView pem) {
    auto roots = casemate::crypto::Certificate::all_from_pem(pem);
    if (!roots) {
        return Error(AttestationErrc::bad_roots, roots.error().message());
    }
    return att::Verifier::create(std::move(*roots));
}

att::Policy policy_now(const casemate_attestation_policy& policy) {
    using std::chrono::system_clock;
    att::Policy now = policy.policy;
    if (!policy.has_time) {
        now.now = std::chrono::floor<std::chrono::milliseconds>(system_clock::now());
    }
    return now;
}

// duplicate gives a text for casemate_attestation_text_free, or NULL.
char* duplicate(const std::string& text) {
    void* copy = std::malloc(text.size() + 1);
    if (copy != nullptr) {
        std::memcpy(copy, text.c_str(), text.size() + 1);
    }
    return static_cast<char*>(copy);
}

Result<att::VerifiedDocument> verify(const casemate_attestation_verifier& verifier,
                                     const casemate_attestation_policy& policy, ByteView document,
                                     char** explanation) {
    att::Report report;
    auto verified = verifier.verifier.verify(document, policy_now(policy),
                                             explanation == nullptr ? nullptr : &report);
    if (explanation != nullptr) {
        *explanation = duplicate(att::report_json(report));
    }
    // A module id with a NUL would look shorter than it is.
    if (verified && verified->contents().module_id.find('\0') != std::string::npos) {
        return Error(AttestationErrc::bad_module_id, "expected text without NUL, found one");
    }
    return verified;
}

std::chrono::milliseconds duration(std::int64_t milliseconds) {
    // No two times of documents are further apart.
    const std::int64_t most = att::kLastTime.time_since_epoch().count();
    return std::chrono::milliseconds(std::clamp<std::int64_t>(milliseconds, 0, most));
}

const std::uint8_t* field(const std::optional<casemate::Bytes>& bytes, std::size_t* size) {
    static const std::uint8_t kNothing = 0;
    *size = bytes ? bytes->size() : 0;
    if (!bytes) {
        return nullptr;
    }
    return bytes->empty() ? &kNothing : bytes->data();
}

std::int64_t count(att::Time time) {
    return time.time_since_epoch().count();
}

}  // namespace

const char* casemate_attestation_version() {
    return CASEMATE_VERSION;
}

const char* casemate_attestation_error_identifier(const casemate_attestation_error* error) {
    return error == nullptr ? "" : error->identifier.c_str();
}

const char* casemate_attestation_error_message(const casemate_attestation_error* error) {
    return error == nullptr ? "" : error->message.c_str();
}

void casemate_attestation_error_free(casemate_attestation_error* error) {
    if (error != &out_of_memory()) {
        delete error;
    }
}

casemate_attestation_verifier* casemate_attestation_verifier_new(
    const void* roots_pem, size_t size, casemate_attestation_error** error) {
    using Verifier = casemate_attestation_verifier;
    return guarded<Verifier*>(error, nullptr, [&]() -> Verifier* {
        if (!present(roots_pem, size)) {
            bad_argument(error, "roots_pem");
            return nullptr;
        }
        auto verifier = make_verifier(view(roots_pem, size));
        if (!verifier) {
            set_error(error, verifier.error());
            return nullptr;
        }
        return new Verifier{std::move(*verifier)};
    });
}

void casemate_attestation_verifier_free(casemate_attestation_verifier* verifier) {
    delete verifier;
}

casemate_attestation_policy* casemate_attestation_policy_new(casemate_attestation_error** error) {
    using Policy = casemate_attestation_policy;
    return guarded<Policy*>(error, nullptr, [] { return new Policy; });
}

void casemate_attestation_policy_free(casemate_attestation_policy* policy) {
    delete policy;
}

void casemate_attestation_policy_set_time(casemate_attestation_policy* policy,
                                          int64_t milliseconds) {
    if (policy != nullptr) {
        policy->policy.now = att::Time(std::chrono::milliseconds(milliseconds));
        policy->has_time = true;
    }
}

void casemate_attestation_policy_use_document_time(casemate_attestation_policy* policy) {
    if (policy != nullptr) {
        policy->policy.at_document_time = true;
    }
}

void casemate_attestation_policy_set_max_age(casemate_attestation_policy* policy,
                                             int64_t milliseconds) {
    if (policy == nullptr) {
        return;
    }
    policy->policy.max_age.reset();
    if (milliseconds >= 0) {
        policy->policy.max_age = duration(milliseconds);
    }
}

void casemate_attestation_policy_set_clock_skew(casemate_attestation_policy* policy,
                                                int64_t milliseconds) {
    if (policy != nullptr) {
        policy->policy.clock_skew = duration(milliseconds);
    }
}

bool casemate_attestation_policy_set_nonce(casemate_attestation_policy* policy, const void* nonce,
                                           size_t size, casemate_attestation_error** error) {
    return guarded(error, false, [&] {
        if (policy == nullptr || !present(nonce, size)) {
            return bad_argument(error, "policy and nonce");
        }
        return done(set_nonce(*policy, view(nonce, size)), error);
    });
}

bool casemate_attestation_policy_allow_isolation(casemate_attestation_policy* policy,
                                                 const char* isolation,
                                                 casemate_attestation_error** error) {
    return guarded(error, false, [&] {
        if (policy == nullptr || isolation == nullptr) {
            return bad_argument(error, "policy and isolation");
        }
        return done(allow_isolation(*policy, isolation), error);
    });
}

bool casemate_attestation_policy_require_isolation(casemate_attestation_policy* policy,
                                                   const char* isolation,
                                                   casemate_attestation_error** error) {
    return guarded(error, false, [&] {
        if (policy == nullptr || isolation == nullptr) {
            return bad_argument(error, "policy and isolation");
        }
        return done(require_isolation(*policy, isolation), error);
    });
}

void casemate_attestation_policy_allow_debug(casemate_attestation_policy* policy, bool allow) {
    if (policy != nullptr) {
        policy->policy.allow_debug = allow;
    }
}

bool casemate_attestation_policy_expect_pcr(casemate_attestation_policy* policy, uint32_t index,
                                            const void* value, size_t size,
                                            casemate_attestation_error** error) {
    return guarded(error, false, [&] {
        if (policy == nullptr || !present(value, size)) {
            return bad_argument(error, "policy and value");
        }
        return done(expect_value(*policy, index, view(value, size)), error);
    });
}

bool casemate_attestation_policy_expect_pcrs_json(casemate_attestation_policy* policy,
                                                  const char* json, size_t size,
                                                  casemate_attestation_error** error) {
    return guarded(error, false, [&] {
        if (policy == nullptr || !present(json, size)) {
            return bad_argument(error, "policy and json");
        }
        return done(expect_json(*policy, casemate::as_text(view(json, size))), error);
    });
}

bool casemate_attestation_policy_expect_image(casemate_attestation_policy* policy, const char* path,
                                              casemate_attestation_error** error) {
    return guarded(error, false, [&] {
        if (policy == nullptr || path == nullptr) {
            return bad_argument(error, "policy and path");
        }
        return done(expect_image(*policy, path), error);
    });
}

casemate_attestation_document* casemate_attestation_verify(
    const casemate_attestation_verifier* verifier, const casemate_attestation_policy* policy,
    const void* document, size_t size, char** explanation, casemate_attestation_error** error) {
    using Document = casemate_attestation_document;
    if (explanation != nullptr) {
        *explanation = nullptr;
    }
    return guarded<Document*>(error, nullptr, [&]() -> Document* {
        if (verifier == nullptr || policy == nullptr || !present(document, size)) {
            bad_argument(error, "verifier, policy and document");
            return nullptr;
        }
        auto verified = verify(*verifier, *policy, view(document, size), explanation);
        if (!verified) {
            set_error(error, verified.error());
            return nullptr;
        }
        std::string isolation(att::name_of(verified->isolation()));
        return new Document{std::move(*verified), std::move(isolation)};
    });
}

void casemate_attestation_text_free(char* text) {
    std::free(text);
}

void casemate_attestation_document_free(casemate_attestation_document* document) {
    delete document;
}

const char* casemate_attestation_document_module_id(const casemate_attestation_document* document) {
    return document->document.contents().module_id.c_str();
}

int64_t casemate_attestation_document_timestamp(const casemate_attestation_document* document) {
    return count(document->document.contents().timestamp);
}

const char* casemate_attestation_document_isolation(const casemate_attestation_document* document) {
    return document->isolation.c_str();
}

bool casemate_attestation_document_debug(const casemate_attestation_document* document) {
    return document->document.debug();
}

const uint8_t* casemate_attestation_document_pcr(const casemate_attestation_document* document,
                                                 uint32_t index) {
    const att::Pcrs& pcrs = document->document.contents().pcrs;
    const auto found =
        index < att::kPcrCount ? pcrs.find(static_cast<std::uint16_t>(index)) : pcrs.end();
    return found == pcrs.end() ? nullptr : found->second.data();
}

const uint8_t* casemate_attestation_document_public_key(
    const casemate_attestation_document* document, size_t* size) {
    return field(document->document.contents().public_key, size);
}

const uint8_t* casemate_attestation_document_user_data(
    const casemate_attestation_document* document, size_t* size) {
    return field(document->document.contents().user_data, size);
}

const uint8_t* casemate_attestation_document_nonce(const casemate_attestation_document* document,
                                                   size_t* size) {
    return field(document->document.contents().nonce, size);
}

const uint8_t* casemate_attestation_document_root(const casemate_attestation_document* document) {
    return document->document.root().data();
}

int64_t casemate_attestation_document_valid_from(const casemate_attestation_document* document) {
    return count(document->document.valid_from());
}

int64_t casemate_attestation_document_valid_until(const casemate_attestation_document* document) {
    return count(document->document.valid_until());
}
