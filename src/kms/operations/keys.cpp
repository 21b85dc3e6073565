#include "kms/operations/keys.hpp"

#include "kms/core/checks.hpp"
#include "kms/operations/key_metadata.hpp"
#include "kms/operations/own_key.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kDescriptionSize{0, 8192};
constexpr Bounds kKeyIdSize{1, 2048};
constexpr std::size_t kMostListed = 1000;
constexpr std::size_t kUsuallyListed = 100;
// Days until a key is deleted.
constexpr Bounds kWindow{7, 30};
constexpr std::int64_t kUsualWindow = 30;

// change permits the operation on the key of a request, checks its state, and stores what work
// makes of it, if that is something else.
template <class Work>
Result<Key> change(Core& core, Call& call, const Fields& fields, Work work) {
    CASEMATE_TRY(const NamedKey named, permitted_key(core, call, fields));
    Key key = named.key();
    CASEMATE_CHECK(require_state(key, call.operation));
    work(key);
    if (key != named.key()) {
        CASEMATE_CHECK(core.repository.update_key(key));
    }
    return key;
}

Result<Answer> enable_once(Core& core, Call& call) {
    CASEMATE_CHECK(
        change(core, call, Fields(call.input), [](Key& key) { key.state = KeyState::enabled; }));
    return call.answer();
}

Result<Answer> disable_once(Core& core, Call& call) {
    CASEMATE_CHECK(
        change(core, call, Fields(call.input), [](Key& key) { key.state = KeyState::disabled; }));
    return call.answer();
}

Result<Answer> schedule_once(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const std::optional<std::int64_t> given,
                 fields.optional_number("PendingWindowInDays", kWindow));
    const std::int64_t window = given.value_or(kUsualWindow);
    call.notes.parameters.emplace_back("pendingWindowInDays", std::to_string(window));
    CASEMATE_TRY(const Key key, change(core, call, fields, [&](Key& changed) {
                     changed.state = KeyState::pending_deletion;
                     changed.deletion_date = call.now + std::chrono::days(window);
                 }));
    Answer answer = call.answer();
    answer["KeyId"] = key.arn;
    answer["DeletionDate"] = time_value(*key.deletion_date);
    answer["KeyState"] = name_of(key.state);
    answer["PendingWindowInDays"] = window;
    return answer;
}

Result<Answer> cancel_once(Core& core, Call& call) {
    CASEMATE_TRY(const Key key, change(core, call, Fields(call.input), [](Key& changed) {
                     // Without material there is nothing to enable.
                     changed.state = changed.current_material.empty() ? KeyState::pending_import
                                                                      : KeyState::disabled;
                     changed.deletion_date.reset();
                 }));
    Answer answer = call.answer();
    answer["KeyId"] = key.arn;
    return answer;
}

Result<Answer> update_description_once(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const std::string description, fields.text("Description", kDescriptionSize));
    CASEMATE_CHECK(change(core, call, fields, [&](Key& key) { key.description = description; }));
    return call.answer();
}

}  // namespace

Result<Answer> describe_key(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const std::string key_id, fields.text("KeyId", kKeyIdSize));
    CASEMATE_TRY(const NamedKey named, core.keyring.find(key_id, call.caller));
    Asked asked;
    asked.action = call.operation;
    asked.key = &named;
    CASEMATE_CHECK(permit(core, call, asked));
    Answer answer = call.answer();
    answer["KeyMetadata"] = key_metadata(named.key(), call.memory);
    return answer;
}

Result<Answer> list_keys(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const PageRequest page, read_page_request(fields, kUsuallyListed, kMostListed));
    Asked asked;
    asked.action = call.operation;
    CASEMATE_CHECK(permit(core, call, asked));
    CASEMATE_TRY(const Page<Key> found,
                 core.repository.key_page_of(key_arn(core.region(), call.caller.account, ""),
                                             page.after, page.limit));
    Answer answer = call.answer();
    json::array listed(call.memory);
    for (const Key& key : found.items) {
        json::object entry(call.memory);
        entry["KeyId"] = key.id;
        entry["KeyArn"] = key.arn;
        listed.emplace_back(std::move(entry));
    }
    answer["Keys"] = std::move(listed);
    put_page(answer, found.next);
    return answer;
}

Result<Answer> enable_key(Core& core, Call& call) {
    return retried(core, call, enable_once);
}

Result<Answer> disable_key(Core& core, Call& call) {
    return retried(core, call, disable_once);
}

Result<Answer> schedule_key_deletion(Core& core, Call& call) {
    return retried(core, call, schedule_once);
}

Result<Answer> cancel_key_deletion(Core& core, Call& call) {
    return retried(core, call, cancel_once);
}

Result<Answer> update_key_description(Core& core, Call& call) {
    return retried(core, call, update_description_once);
}

}  // namespace casemate::kms
