#include "kms/core/checks.hpp"

#include "codec/base64.hpp"
#include "codec/utf8.hpp"

namespace casemate::kms {

namespace {

constexpr std::size_t kMaxContext = 8192;
// AWS's bounds of Marker.
constexpr Bounds kMarkerSize{1, 1024};

Error invalid_state(const Key& key, std::string_view what) {
    return {KmsErrc::kms_invalid_state, key.arn + " is " + std::string(what) + "."};
}

}  // namespace

Result<> require_not_deleted(const Key& key) {
    if (key.state == KeyState::pending_deletion) {
        return invalid_state(key, "pending deletion");
    }
    return {};
}

Result<> require_enabled(const Call& call, const Key& key) {
    switch (key.state) {
        case KeyState::enabled:
            if (key.valid_to && *key.valid_to <= call.now) {
                return invalid_state(key, "pending import");
            }
            return {};
        case KeyState::disabled:
            return Error(KmsErrc::disabled, key.arn + " is disabled.");
        case KeyState::pending_deletion:
            return invalid_state(key, "pending deletion");
        case KeyState::pending_import:
            return invalid_state(key, "pending import");
    }
    return invalid_state(key, "in no known state");
}

Result<> require_usage(const Key& key, KeyUsage usage, std::string_view operation) {
    if (key.usage != usage) {
        return Error(KmsErrc::invalid_key_usage,
                     key.arn + " key usage is " + std::string(name_of(key.usage)) +
                         " which is not valid for " + std::string(operation) + ".");
    }
    return {};
}

Result<> require_own_account(const Call& call, const KnownKey& known) {
    if (call.caller.account != known.account) {
        return Error(KmsErrc::access_denied,
                     "The operation is not allowed on a key of another account");
    }
    return {};
}

Result<std::optional<EncryptionContext>> read_context(const Fields& fields,
                                                      std::string_view member) {
    CASEMATE_TRY(std::optional<EncryptionContext> context, fields.optional_map(member));
    if (!context) {
        return context;
    }
    std::size_t size = 0;
    for (const auto& [key, value] : *context) {
        if (key.empty()) {
            return Error(KmsErrc::validation,
                         "The keys of an encryption context must not be empty");
        }
        size += key.size() + value.size();
    }
    if (size > kMaxContext) {
        return Error(KmsErrc::validation, "The encryption context is longer than " +
                                              std::to_string(kMaxContext) + " bytes");
    }
    return context;
}

Result<> stop_if_dry_run(const Fields& fields) {
    CASEMATE_TRY(const bool dry_run, fields.truth("DryRun", false));
    if (dry_run) {
        return Error(KmsErrc::dry_run,
                     "The request would have succeeded, but the DryRun option is set.");
    }
    return {};
}

Result<PageRequest> read_page_request(const Fields& fields, std::size_t otherwise,
                                      std::size_t most) {
    PageRequest page;
    CASEMATE_TRY(const std::optional<std::int64_t> limit,
                 fields.optional_number("Limit", {1, static_cast<std::int64_t>(most)}));
    page.limit = limit ? static_cast<std::size_t>(*limit) : otherwise;
    CASEMATE_TRY(const std::optional<std::string> marker,
                 fields.optional_text("Marker", kMarkerSize));
    if (marker) {
        const std::optional<Bytes> after = codec::decode_base64(*marker);
        if (!after || !is_utf8(*after)) {
            return Error(KmsErrc::invalid_marker, "The marker is not one that was given");
        }
        page.after = as_text(*after);
    }
    return page;
}

void put_page(Answer& answer, const std::optional<std::string>& next) {
    answer["Truncated"] = next.has_value();
    if (next) {
        answer["NextMarker"] = codec::encode_base64(as_bytes(*next));
    }
}

}  // namespace casemate::kms
