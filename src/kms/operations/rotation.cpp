#include "kms/operations/rotation.hpp"

#include <charconv>

#include "kms/core/access.hpp"
#include "kms/core/checks.hpp"
#include "kms/core/generations.hpp"
#include "kms/operations/key_of_request.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kPeriod{90, 2560};
constexpr std::uint32_t kUsualPeriod = 365;
constexpr std::size_t kUsualPage = 100;
constexpr std::size_t kMaxPage = 1000;
constexpr std::string_view kOnDemand = "ON_DEMAND";

enum class Listed : std::uint8_t { rotations, materials };

std::optional<Listed> parse_listed(std::string_view text) {
    if (text == "ROTATIONS_ONLY") {
        return Listed::rotations;
    }
    if (text == "ALL_KEY_MATERIAL") {
        return Listed::materials;
    }
    return std::nullopt;
}

Result<> require_symmetric(const Key& key) {
    if (key.spec != KeySpec::symmetric_default) {
        return Error(KmsErrc::unsupported_operation, key.arn + " key spec is " +
                                                         std::string(name_of(key.spec)) +
                                                         " which is not valid for this operation.");
    }
    return {};
}

Result<> require_own_origin(const Key& key) {
    if (key.origin != Origin::aws_kms) {
        return Error(KmsErrc::unsupported_operation, key.arn + " origin is " +
                                                         std::string(name_of(key.origin)) +
                                                         " which is not valid for this operation.");
    }
    return {};
}

// require_kind: a key of the kind that rotates, in whatever state.
Result<> require_kind(const Key& key) {
    CASEMATE_CHECK(require_symmetric(key));
    return require_own_origin(key);
}

Result<> require_rotatable(const Call& call, const Key& key) {
    CASEMATE_CHECK(require_symmetric(key));
    CASEMATE_CHECK(require_enabled(call, key));
    return require_own_origin(key);
}

Result<std::uint32_t> last_number_of(const std::string& marker) {
    std::uint32_t number = 0;
    const char* end = marker.data() + marker.size();
    const auto [rest, error] = std::from_chars(marker.data(), end, number);
    if (!marker.empty() && (error != std::errc() || rest != end)) {
        return Error(KmsErrc::invalid_marker, "The marker is not one that was given");
    }
    return number;
}

Result<std::size_t> count_on_demand(Core& core, const Key& key) {
    std::size_t count = 0;
    std::uint32_t after = 0;
    while (true) {
        CASEMATE_TRY(const std::vector<Material> page,
                     core.repository.key_materials(key.id, after, kMaxPage));
        for (const Material& material : page) {
            count += material.rotation == kOnDemand ? 1U : 0U;
            after = material.sequence;
        }
        if (page.size() < kMaxPage) {
            return count;
        }
    }
}

Result<Page<Material>> find_page(Core& core, const Key& key, Listed listed, std::uint32_t after,
                                 std::size_t limit) {
    if (listed == Listed::rotations && after == 0) {
        // The first material came with the key, by no rotation.
        after = 1;
    }
    Page<Material> page;
    CASEMATE_TRY(page.items, core.repository.key_materials(key.id, after, limit + 1));
    if (page.items.size() > limit) {
        page.items.resize(limit);
        page.next = std::to_string(page.items.back().sequence);
    }
    return page;
}

json::object entry_of(const Key& key, const Material& material, Listed listed,
                      const json::storage_ptr& memory) {
    json::object entry(memory);
    entry["KeyId"] = key.id;
    entry["KeyMaterialId"] = material.id;
    if (listed == Listed::materials) {
        entry["KeyMaterialState"] = material.id == key.current_material ? "CURRENT" : "NON_CURRENT";
    }
    if (!material.rotation.empty()) {
        entry["RotationDate"] = time_value(material.created);
        entry["RotationType"] = material.rotation;
    }
    return entry;
}

}  // namespace

Result<Answer> enable_key_rotation(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const NamedKey named, find_key_without_alias(core, call, fields));
    CASEMATE_TRY(const std::optional<std::int64_t> wanted,
                 fields.optional_number("RotationPeriodInDays", kPeriod));
    const std::uint32_t period = wanted ? static_cast<std::uint32_t>(*wanted) : kUsualPeriod;
    call.notes.parameters.emplace_back("rotationPeriodInDays", std::to_string(period));
    Asked asked = asked_about("EnableKeyRotation", named);
    asked.conditions = {{"kms:RotationPeriodInDays", std::to_string(period)}};
    CASEMATE_CHECK(permit(core, call, asked));
    CASEMATE_CHECK(require_own_account(call, *named.known));
    const Result<> done = change_key(core, named.key().id, [&](Key& key) -> Result<> {
        CASEMATE_CHECK(require_rotatable(call, key));
        if (key.rotation_days == period) {
            return {};
        }
        key.rotation_days = period;
        key.next_rotation = call.now + std::chrono::days(period);
        return core.repository.update_key(key);
    });
    CASEMATE_CHECK(done);
    return call.answer();
}

Result<Answer> disable_key_rotation(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const NamedKey named, find_key_without_alias(core, call, fields));
    CASEMATE_CHECK(permit(core, call, asked_about("DisableKeyRotation", named)));
    CASEMATE_CHECK(require_own_account(call, *named.known));
    const Result<> done = change_key(core, named.key().id, [&](Key& key) -> Result<> {
        CASEMATE_CHECK(require_rotatable(call, key));
        if (!key.rotation_days) {
            return {};
        }
        key.rotation_days.reset();
        key.next_rotation.reset();
        return core.repository.update_key(key);
    });
    CASEMATE_CHECK(done);
    return call.answer();
}

Result<Answer> get_key_rotation_status(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const NamedKey named, find_key_without_alias(core, call, fields));
    CASEMATE_CHECK(permit(core, call, asked_about("GetKeyRotationStatus", named)));
    const Key& key = named.key();
    CASEMATE_CHECK(require_kind(key));
    // A key that waits for its deletion does not rotate; when that is cancelled it goes on.
    const bool rotates = key.rotation_days && key.state != KeyState::pending_deletion;
    Answer answer = call.answer();
    answer["KeyId"] = key.arn;
    answer["KeyRotationEnabled"] = rotates;
    if (rotates) {
        answer["RotationPeriodInDays"] = *key.rotation_days;
        answer["NextRotationDate"] = time_value(*key.next_rotation);
    }
    return answer;
}

Result<Answer> rotate_key_on_demand(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const NamedKey named, find_key_without_alias(core, call, fields));
    CASEMATE_CHECK(permit(core, call, asked_about("RotateKeyOnDemand", named)));
    CASEMATE_CHECK(require_own_account(call, *named.known));
    const Result<> done = change_key(core, named.key().id, [&](Key& key) -> Result<> {
        CASEMATE_CHECK(require_rotatable(call, key));
        CASEMATE_TRY(const std::size_t count, count_on_demand(core, key));
        if (count >= kMaxOnDemandRotations) {
            return Error(KmsErrc::limit_exceeded,
                         "The on-demand rotations limit has been reached for the given keyId. No "
                         "more on-demand rotations can be performed for this key: " +
                             key.arn);
        }
        return add_generation(core, key, kOnDemand, call.now);
    });
    CASEMATE_CHECK(done);
    Answer answer = call.answer();
    answer["KeyId"] = named.key().arn;
    return answer;
}

Result<Answer> list_key_rotations(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const NamedKey named, find_key_without_alias(core, call, fields));
    CASEMATE_TRY(const PageRequest page, read_page_request(fields, kUsualPage, kMaxPage));
    CASEMATE_TRY(const std::uint32_t after, last_number_of(page.after));
    CASEMATE_TRY(const std::optional<Listed> asked,
                 fields.optional_choice<Listed>("IncludeKeyMaterial", parse_listed,
                                                "[ALL_KEY_MATERIAL, ROTATIONS_ONLY]"));
    const Listed listed = asked.value_or(Listed::rotations);
    CASEMATE_CHECK(permit(core, call, asked_about("ListKeyRotations", named)));
    CASEMATE_CHECK(require_own_account(call, *named.known));
    const Key& key = named.key();
    CASEMATE_CHECK(require_kind(key));
    CASEMATE_TRY(const Page<Material> found, find_page(core, key, listed, after, page.limit));
    Answer answer = call.answer();
    json::array rotations(call.memory);
    for (const Material& material : found.items) {
        rotations.push_back(entry_of(key, material, listed, call.memory));
    }
    answer["Rotations"] = std::move(rotations);
    put_page(answer, found.next);
    return answer;
}

}  // namespace casemate::kms
