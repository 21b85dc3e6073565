#include "kms/operations/random.hpp"

#include "crypto/random.hpp"
#include "kms/core/access.hpp"
#include "kms/core/fields.hpp"
#include "kms/core/recipient.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kNumberOfBytes{1, 1024};
constexpr Bounds kStoreId{1, 64};

}  // namespace

Result<Answer> generate_random(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const std::optional<std::int64_t> count,
                 fields.optional_number("NumberOfBytes", kNumberOfBytes));
    if (!count) {
        return Error(KmsErrc::validation, "NumberOfBytes is required.");
    }
    CASEMATE_TRY(const std::optional<std::string> store,
                 fields.optional_text("CustomKeyStoreId", kStoreId));
    CASEMATE_TRY(const std::optional<Recipient> recipient, read_recipient(core, call));
    call.notes.parameters.emplace_back("NumberOfBytes", std::to_string(*count));
    Asked asked;
    asked.action = "GenerateRandom";
    asked.recipient = document_of(recipient);
    CASEMATE_CHECK(permit(core, call, asked));
    if (store) {
        return Error(KmsErrc::custom_key_store_not_found,
                     "Custom key store " + *store + " does not exist");
    }
    const SecretBytes random = crypto::random_secret(static_cast<std::size_t>(*count));
    Answer answer = call.answer();
    CASEMATE_CHECK(put_secret(answer, "Plaintext", random.view(), recipient));
    return answer;
}

}  // namespace casemate::kms
