#include "kms/operations/import.hpp"

#include <algorithm>
#include <array>

#include "codec/rfc3339.hpp"
#include "crypto/mac.hpp"
#include "crypto/random.hpp"
#include "crypto/wrapping.hpp"
#include "kms/core/access.hpp"
#include "kms/core/checks.hpp"
#include "kms/core/generations.hpp"
#include "kms/core/material.hpp"
#include "kms/operations/key_of_request.hpp"

namespace casemate::kms {

namespace {

// AWS's bounds of ImportToken and EncryptedKeyMaterial.
constexpr Bounds kBlobSize{1, 6144};
constexpr std::uint8_t kTokenVersion = 1;
constexpr std::size_t kIdDigits = 64;
constexpr std::size_t kSalt = 32;

struct WrappingAlgorithm {
    std::string_view name;
    crypto::OaepHash hash;
    // by_aes: RSA wraps an AES key, and that the material.
    bool by_aes;
    bool supported;
};
constexpr std::array<WrappingAlgorithm, 5> kAlgorithms{{
    {"RSAES_PKCS1_V1_5", crypto::OaepHash::sha1, false, false},
    {"RSAES_OAEP_SHA_1", crypto::OaepHash::sha1, false, true},
    {"RSAES_OAEP_SHA_256", crypto::OaepHash::sha256, false, true},
    {"RSA_AES_KEY_WRAP_SHA_1", crypto::OaepHash::sha1, true, true},
    {"RSA_AES_KEY_WRAP_SHA_256", crypto::OaepHash::sha256, true, true},
}};
constexpr std::string_view kAlgorithmNames =
    "[RSAES_PKCS1_V1_5, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, RSA_AES_KEY_WRAP_SHA_1, "
    "RSA_AES_KEY_WRAP_SHA_256]";

// Indexes into kAlgorithms, as the token has them.
std::optional<std::uint8_t> parse_algorithm(std::string_view text) {
    for (std::size_t i = 0; i < kAlgorithms.size(); ++i) {
        if (kAlgorithms.at(i).name == text) {
            return static_cast<std::uint8_t>(i);
        }
    }
    return std::nullopt;
}

std::optional<KeySpec> parse_wrapping_spec(std::string_view text) {
    const std::optional<KeySpec> spec = parse_key_spec(text);
    return spec && is_rsa(*spec) ? spec : std::nullopt;
}

enum class Expiration : std::uint8_t { expires, does_not_expire };

std::optional<Expiration> parse_expiration(std::string_view text) {
    if (text == "KEY_MATERIAL_EXPIRES") {
        return Expiration::expires;
    }
    if (text == "KEY_MATERIAL_DOES_NOT_EXPIRE") {
        return Expiration::does_not_expire;
    }
    return std::nullopt;
}

Result<> require_external(const Key& key) {
    if (key.origin != Origin::external) {
        return Error(KmsErrc::unsupported_operation, key.arn + " origin is " +
                                                         std::string(name_of(key.origin)) +
                                                         " which is not valid for this operation.");
    }
    return {};
}

Result<> require_importable(const Call& call, const KnownKey& known) {
    CASEMATE_CHECK(require_own_account(call, known));
    CASEMATE_CHECK(require_external(known.key));
    return require_not_deleted(known.key);
}

// --- tokens ---

std::string token_binding(const Key& key) {
    return "import-token/" + key.id;
}

struct ImportToken {
    std::uint8_t algorithm = 0;
    Time valid_to;
    // PKCS #8 of the wrapping key.
    SecretBytes wrapping_key;
};

Result<Bytes> seal_token(const Vault& vault, const Key& key, const ImportToken& token) {
    Bytes bytes;
    bytes.reserve(16 + token.wrapping_key.size());
    ByteWriter writer(bytes);
    writer.put_u8(kTokenVersion);
    writer.put_u8(token.algorithm);
    writer.put_be(static_cast<std::uint64_t>(token.valid_to.time_since_epoch().count()));
    writer.put_bytes(token.wrapping_key.view());
    const SecretBytes secret(std::move(bytes));
    return vault.wrap(secret.view(), token_binding(key));
}

Error invalid_token() {
    return {KmsErrc::invalid_import_token,
            "The import token is invalid or is associated with a different KMS key."};
}

Result<ImportToken> open_token(const Vault& vault, const Key& key, ByteView sealed) {
    const Result<SecretBytes> opened = vault.unwrap(sealed, token_binding(key));
    if (!opened) {
        return opened.error().is(VaultErrc::unavailable) ? opened.error() : invalid_token();
    }
    ByteReader reader(opened->view());
    ImportToken token;
    std::uint8_t version = 0;
    std::uint64_t valid_to = 0;
    if (!reader.read_u8(version) || version != kTokenVersion || !reader.read_u8(token.algorithm) ||
        token.algorithm >= kAlgorithms.size() || !reader.read_be(valid_to)) {
        return invalid_token();
    }
    token.valid_to = Time(std::chrono::milliseconds(static_cast<std::int64_t>(valid_to)));
    const ByteView rest = reader.rest();
    token.wrapping_key = SecretBytes(Bytes(rest.begin(), rest.end()));
    return token;
}

// can_wrap: RSA keys are longer than what RSA encrypts, and P-521's than what RSA-2048 does.
bool can_wrap(const WrappingAlgorithm& algorithm, KeySpec wrapping, KeySpec material) {
    return algorithm.by_aes || (!is_rsa(material) && (material != KeySpec::ecc_nist_p521 ||
                                                      wrapping != KeySpec::rsa_2048));
}

// --- imports ---

struct Expiry {
    Expiration model = Expiration::expires;
    std::optional<Time> valid_to;
};

Result<Expiry> read_expiry(const Call& call, const Fields& fields) {
    CASEMATE_TRY(
        const std::optional<Expiration> model,
        fields.optional_choice<Expiration>("ExpirationModel", parse_expiration,
                                           "[KEY_MATERIAL_EXPIRES, KEY_MATERIAL_DOES_NOT_EXPIRE]"));
    Expiry expiry;
    expiry.model = model.value_or(Expiration::expires);
    CASEMATE_TRY(expiry.valid_to, fields.optional_time("ValidTo"));
    if (expiry.model == Expiration::does_not_expire) {
        if (expiry.valid_to) {
            return Error(KmsErrc::validation,
                         "A validTo date must not be set if the ExpirationModel is "
                         "KEY_MATERIAL_DOES_NOT_EXPIRE");
        }
        return expiry;
    }
    if (!expiry.valid_to) {
        return Error(KmsErrc::validation,
                     "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES");
    }
    if (*expiry.valid_to <= call.now || *expiry.valid_to > call.now + kMaxImportedLife) {
        return Error(KmsErrc::validation,
                     "The validTo date must be in the future, and at most 365 days from now");
    }
    return expiry;
}

Result<SecretBytes> unwrap_material(const ImportToken& token, ByteView wrapped) {
    CASEMATE_TRY(const crypto::RsaPrivateKey key,
                 crypto::RsaPrivateKey::from_pkcs8(token.wrapping_key.view()));
    const WrappingAlgorithm& algorithm = kAlgorithms.at(token.algorithm);
    Result<SecretBytes> opened = algorithm.by_aes
                                     ? crypto::unwrap_with(key, algorithm.hash, wrapped)
                                     : key.decrypt(algorithm.hash, wrapped);
    if (!opened) {
        return Error(KmsErrc::invalid_ciphertext, "The encrypted key material is not valid.");
    }
    return opened;
}

Error incorrect_material() {
    return {KmsErrc::incorrect_key_material,
            "The key material is invalid, or is not the same key material that was previously "
            "imported into this KMS key."};
}

// read_material opens what a request brings.
Result<NewSecret> read_material(const Core& core, const Call& call, const Fields& fields,
                                const Key& key) {
    CASEMATE_TRY(const Bytes sealed, fields.blob("ImportToken", kBlobSize));
    CASEMATE_TRY(const Bytes wrapped, fields.blob("EncryptedKeyMaterial", kBlobSize));
    CASEMATE_TRY(const ImportToken token, open_token(core.vault, key, sealed));
    if (token.valid_to <= call.now) {
        return Error(KmsErrc::expired_import_token, "The import token is expired.");
    }
    CASEMATE_TRY(SecretBytes secret, unwrap_material(token, wrapped));
    Result<NewSecret> made = check_secret(key.spec, std::move(secret));
    if (!made && made.error().code_as<KmsErrc>()) {
        return incorrect_material();
    }
    return made;
}

// Remembered: what a key keeps of its first import.
struct Remembered {
    std::string material_id;
    SecretBytes salt;
    SecretBytes digest;
};

SecretBytes digest_of(const NewSecret& made, ByteView salt) {
    // A private key can be written in more than one way, its public half in one.
    return crypto::hmac(crypto::MacAlgorithm::hmac_sha256, salt,
                        made.public_key.empty() ? made.secret.view() : ByteView(made.public_key));
}

Result<Material> remember(const Vault& vault, const Material& first, const NewSecret& made) {
    Material kept;
    kept.key_id = first.key_id;
    kept.id = kImportedMaterial;
    kept.sequence = 0;
    kept.created = first.created;
    std::array<std::uint8_t, kSalt> salt{};
    crypto::random_bytes(salt);
    const SecretBytes digest = digest_of(made, salt);
    Bytes bytes;
    ByteWriter writer(bytes);
    writer.put_bytes(as_bytes(first.id));
    writer.put_bytes(salt);
    writer.put_bytes(digest.view());
    const SecretBytes secret(std::move(bytes));
    CASEMATE_TRY(kept.wrapped, vault.wrap(secret.view(), material_binding(kept.key_id, kept.id)));
    return kept;
}

// same_id gives the id of the material that was imported first, if made is that.
Result<std::string> same_id(const Vault& vault, const Material& kept, const NewSecret& made) {
    CASEMATE_TRY(const SecretBytes bytes,
                 vault.unwrap(kept.wrapped, material_binding(kept.key_id, kept.id)));
    ByteReader reader(bytes.view());
    ByteView id;
    ByteView salt;
    if (!reader.read_bytes(kIdDigits, id) || !reader.read_bytes(kSalt, salt)) {
        return Error(VaultErrc::damaged, "expected what tells imported material again, found " +
                                             std::to_string(bytes.size()) + " bytes");
    }
    if (!constant_time_equal(reader.rest(), digest_of(made, salt).view())) {
        return incorrect_material();
    }
    return std::string(as_text(id));
}

// add_imported gives what is to be stored for material, and makes it the key's.
Result<std::vector<Material>> add_imported(Core& core, Key& key, const NewSecret& made, Time now) {
    const Result<Material> kept = core.repository.material(key.id, kImportedMaterial);
    if (!kept && !kept.error().is(StoreErrc::not_found)) {
        return kept.error();
    }
    CASEMATE_TRY(Material material, wrap_material(core.vault, key.id, made, 1, "", now));
    if (!kept) {
        key.current_material = material.id;
        CASEMATE_TRY(Material memory, remember(core.vault, material, made));
        return std::vector<Material>{std::move(material), std::move(memory)};
    }
    CASEMATE_TRY(const std::string id, same_id(core.vault, *kept, made));
    if (!key.current_material.empty()) {
        return std::vector<Material>();
    }
    // Under its first id again, which the ciphertexts name.
    material.id = id;
    CASEMATE_TRY(material.wrapped,
                 core.vault.wrap(made.secret.view(), material_binding(key.id, id)));
    key.current_material = id;
    return std::vector<Material>{std::move(material)};
}

Result<> permit_import(Core& core, Call& call, const NamedKey& named, const Expiry& expiry) {
    const bool expires = expiry.model == Expiration::expires;
    const std::string_view model =
        expires ? "KEY_MATERIAL_EXPIRES" : "KEY_MATERIAL_DOES_NOT_EXPIRE";
    call.notes.parameters.emplace_back("expirationModel", model);
    Asked asked = asked_about("ImportKeyMaterial", named);
    asked.conditions = {{"kms:ExpirationModel", std::string(model)}};
    if (expiry.valid_to) {
        const std::string date = codec::format_rfc3339(*expiry.valid_to);
        call.notes.parameters.emplace_back("validTo", date);
        asked.conditions.emplace_back("kms:ValidTo", date);
    }
    return permit(core, call, asked);
}

Answer answer_about(const Call& call, const Key& key, const std::string& material_id) {
    Answer answer = call.answer();
    answer["KeyId"] = key.arn;
    if (key.spec == KeySpec::symmetric_default && !material_id.empty()) {
        answer["KeyMaterialId"] = material_id;
    }
    return answer;
}

}  // namespace

Result<Answer> get_parameters_for_import(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const NamedKey named, find_key_without_alias(core, call, fields));
    CASEMATE_TRY(
        const std::uint8_t index,
        fields.choice<std::uint8_t>("WrappingAlgorithm", parse_algorithm, kAlgorithmNames));
    CASEMATE_TRY(const KeySpec spec, fields.choice<KeySpec>("WrappingKeySpec", parse_wrapping_spec,
                                                            "[RSA_2048, RSA_3072, RSA_4096]"));
    const WrappingAlgorithm& algorithm = kAlgorithms.at(index);
    call.notes.parameters.emplace_back("wrappingAlgorithm", algorithm.name);
    call.notes.parameters.emplace_back("wrappingKeySpec", name_of(spec));
    Asked asked = asked_about("GetParametersForImport", named);
    asked.conditions = {{"kms:WrappingAlgorithm", std::string(algorithm.name)},
                        {"kms:WrappingKeySpec", std::string(name_of(spec))}};
    CASEMATE_CHECK(permit(core, call, asked));
    const Key& key = named.key();
    CASEMATE_CHECK(require_importable(call, *named.known));
    if (!algorithm.supported) {
        return Error(
            KmsErrc::unsupported_operation,
            "The wrapping algorithm " + std::string(algorithm.name) + " is not supported.");
    }
    if (!can_wrap(algorithm, spec, key.spec)) {
        return Error(KmsErrc::validation, "The wrapping algorithm " + std::string(algorithm.name) +
                                              " with the wrapping key spec " +
                                              std::string(name_of(spec)) +
                                              " cannot wrap key material of the key spec " +
                                              std::string(name_of(key.spec)) + ".");
    }
    CASEMATE_TRY(const crypto::RsaPrivateKey wrapping,
                 crypto::RsaPrivateKey::generate(rsa_bits(spec)));
    const Time valid_to = call.now + kImportValidity;
    CASEMATE_TRY(const Bytes token,
                 seal_token(core.vault, key, {index, valid_to, wrapping.to_pkcs8()}));
    Answer answer = call.answer();
    answer["KeyId"] = key.arn;
    put_blob(answer, "ImportToken", token);
    put_blob(answer, "PublicKey", wrapping.public_key().spki());
    answer["ParametersValidTo"] = time_value(valid_to);
    return answer;
}

Result<Answer> import_key_material(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const NamedKey named, find_key_without_alias(core, call, fields));
    CASEMATE_TRY(const Expiry expiry, read_expiry(call, fields));
    CASEMATE_CHECK(permit_import(core, call, named, expiry));
    CASEMATE_CHECK(require_importable(call, *named.known));
    CASEMATE_TRY(const NewSecret made, read_material(core, call, fields, named.key()));
    std::string material_id;
    const Result<> done = change_key(core, named.key().id, [&](Key& key) -> Result<> {
        CASEMATE_CHECK(require_not_deleted(key));
        CASEMATE_TRY(const std::vector<Material> added, add_imported(core, key, made, call.now));
        key.valid_to = expiry.valid_to;
        if (key.state == KeyState::pending_import) {
            key.state = KeyState::enabled;
        }
        material_id = key.current_material;
        return core.repository.update_key(key, added);
    });
    CASEMATE_CHECK(done);
    return answer_about(call, named.key(), material_id);
}

Result<Answer> delete_imported_key_material(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const NamedKey named, find_key_without_alias(core, call, fields));
    CASEMATE_CHECK(permit(core, call, asked_about("DeleteImportedKeyMaterial", named)));
    CASEMATE_CHECK(require_own_account(call, *named.known));
    CASEMATE_CHECK(require_external(named.key()));
    std::string material_id;
    const Result<> done = change_key(core, named.key().id, [&](Key& key) -> Result<> {
        material_id = key.current_material;
        return remove_imported(core, key);
    });
    CASEMATE_CHECK(done);
    return answer_about(call, named.key(), material_id);
}

}  // namespace casemate::kms
