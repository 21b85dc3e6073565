#include "kms/operations/data_keys.hpp"

#include "crypto/random.hpp"
#include "kms/core/checks.hpp"
#include "kms/core/recipient.hpp"
#include "kms/operations/cipher.hpp"
#include "kms/operations/key_use.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kNumberOfBytes{1, 1024};
constexpr std::string_view kSpecs = "[AES_256, AES_128]";

// DataKeySpec: an AES key's size in bytes.
struct DataKeySpec {
    std::size_t size = 0;
};

std::optional<DataKeySpec> parse_data_key_spec(std::string_view text) {
    if (text == "AES_256") {
        return DataKeySpec{32};
    }
    if (text == "AES_128") {
        return DataKeySpec{16};
    }
    return std::nullopt;
}

// read_size reads how many bytes are wanted: by exactly one of two members.
Result<std::size_t> read_size(Call& call, const Fields& fields) {
    CASEMATE_TRY(const auto spec,
                 fields.optional_choice<DataKeySpec>("KeySpec", parse_data_key_spec, kSpecs));
    CASEMATE_TRY(const std::optional<std::int64_t> count,
                 fields.optional_number("NumberOfBytes", kNumberOfBytes));
    if (spec.has_value() == count.has_value()) {
        return Error(KmsErrc::validation, "Please specify either number of bytes or key spec.");
    }
    if (spec) {
        call.notes.parameters.emplace_back("KeySpec", spec->size == 32 ? "AES_256" : "AES_128");
        return spec->size;
    }
    call.notes.parameters.emplace_back("NumberOfBytes", std::to_string(*count));
    return static_cast<std::size_t>(*count);
}

// DataKey: what was made, and the answer as far as both operations have it alike.
struct DataKey {
    SecretBytes plaintext;
    Answer answer;
};

Result<DataKey> make_data_key(Core& core, Call& call, const std::optional<Recipient>& recipient) {
    const Fields fields(call.input);
    CASEMATE_TRY(const std::size_t size, read_size(call, fields));
    CASEMATE_TRY(const std::optional<EncryptionContext> given, read_context(fields));
    const EncryptionContext context = given.value_or(EncryptionContext());
    Asked asked;
    asked.encryption_context = context.empty() ? nullptr : &context;
    asked.conditions.emplace_back(kEncryptionAlgorithmKey,
                                  name_of(EncryptionAlgorithm::symmetric_default));
    asked.recipient = document_of(recipient);
    CASEMATE_TRY(const NamedKey named,
                 take_key(core, call, fields, KeyUsage::encrypt_decrypt, std::move(asked)));
    const Key& key = named.key();
    if (key.spec != KeySpec::symmetric_default) {
        return Error(KmsErrc::invalid_key_usage,
                     "You cannot generate a data key with an asymmetric CMK");
    }
    CASEMATE_CHECK(stop_if_dry_run(fields));
    SecretBytes plaintext = crypto::random_secret(size);
    CASEMATE_TRY(const Sealed sealed, seal_under(core, key, context, plaintext.view()));

    Answer answer = call.answer();
    put_blob(answer, "CiphertextBlob", sealed.blob);
    answer["KeyId"] = key.arn;
    answer["KeyMaterialId"] = sealed.material_id;
    return DataKey{std::move(plaintext), std::move(answer)};
}

}  // namespace

Result<Answer> generate_data_key(Core& core, Call& call) {
    CASEMATE_TRY(const std::optional<Recipient> recipient, read_recipient(core, call));
    CASEMATE_TRY(DataKey made, make_data_key(core, call, recipient));
    CASEMATE_CHECK(put_secret(made.answer, "Plaintext", made.plaintext.view(), recipient));
    return std::move(made.answer);
}

Result<Answer> generate_data_key_without_plaintext(Core& core, Call& call) {
    CASEMATE_TRY(DataKey made, make_data_key(core, call, std::nullopt));
    return std::move(made.answer);
}

}  // namespace casemate::kms
