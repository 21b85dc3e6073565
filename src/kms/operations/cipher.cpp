#include "kms/operations/cipher.hpp"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <utility>

#include "kms/core/access.hpp"
#include "kms/core/algorithms.hpp"
#include "kms/core/checks.hpp"
#include "kms/core/recipient.hpp"
#include "kms/operations/key_use.hpp"

namespace casemate::kms {

namespace {

constexpr Bounds kPlaintextSize{1, kMaxCiphertextPlaintext};
constexpr Bounds kBlobSize{1, kMaxCiphertextBlob};
constexpr Bounds kKeyIdSize{1, 2048};

constexpr std::array<std::string_view, 4> kNames{"SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1",
                                                 "RSAES_OAEP_SHA_256", "SM2PKE"};

// The members of a request that speak of one key, and what the key is asked for.
struct Members {
    std::string_view key_id = "KeyId";
    std::string_view context = "EncryptionContext";
    std::string_view algorithm = "EncryptionAlgorithm";
};
constexpr Members kPlainMembers;
constexpr Members kSourceMembers{"SourceKeyId", "SourceEncryptionContext",
                                 "SourceEncryptionAlgorithm"};
constexpr Members kDestinationMembers{"DestinationKeyId", "DestinationEncryptionContext",
                                      "DestinationEncryptionAlgorithm"};

// Side: what those members say.
struct Side {
    std::optional<std::string> key_id;
    EncryptionContext context;
    EncryptionAlgorithm algorithm = EncryptionAlgorithm::symmetric_default;
};

Result<Side> read_side(Call& call, const Fields& fields, const Members& members) {
    Side side;
    CASEMATE_TRY(side.key_id, fields.optional_text(members.key_id, kKeyIdSize));
    CASEMATE_TRY(std::optional<EncryptionContext> context, read_context(fields, members.context));
    CASEMATE_TRY(const auto algorithm,
                 fields.optional_choice<EncryptionAlgorithm>(
                     members.algorithm, parse_encryption_algorithm, kEncryptionAlgorithms));
    side.context = std::move(context).value_or(EncryptionContext());
    side.algorithm = algorithm.value_or(EncryptionAlgorithm::symmetric_default);
    if (side.key_id) {
        call.notes.parameters.emplace_back(members.key_id, *side.key_id);
    }
    call.notes.parameters.emplace_back(members.algorithm, name_of(side.algorithm));
    return side;
}

Error invalid_ciphertext() {
    return {KmsErrc::invalid_ciphertext, ""};
}

bool is_symmetric(EncryptionAlgorithm algorithm) {
    return algorithm == EncryptionAlgorithm::symmetric_default;
}

crypto::OaepHash hash_of(EncryptionAlgorithm algorithm) {
    return algorithm == EncryptionAlgorithm::rsaes_oaep_sha_1 ? crypto::OaepHash::sha1
                                                              : crypto::OaepHash::sha256;
}

Asked asked_of(const Side& side) {
    Asked asked;
    asked.encryption_context = side.context.empty() ? nullptr : &side.context;
    asked.conditions.emplace_back(kEncryptionAlgorithmKey, name_of(side.algorithm));
    return asked;
}

Asked asked_of(std::string_view action, const NamedKey& key, const Side& side) {
    Asked asked = asked_of(side);
    asked.action = action;
    asked.key = &key;
    return asked;
}

// check_side asks whether a key can do what a side says.
Result<> check_side(const Key& key, const Side& side) {
    CASEMATE_CHECK(check_algorithm(key, name_of(side.algorithm)));
    if (!is_symmetric(side.algorithm) && !side.context.empty()) {
        return Error(KmsErrc::validation,
                     "An encryption context is not supported with asymmetric encryption keys.");
    }
    return {};
}

// check_use asks whether it can do it now.
Result<> check_use(const Call& call, const Key& key, const Side& side) {
    CASEMATE_CHECK(require_enabled(call, key));
    CASEMATE_CHECK(require_usage(key, KeyUsage::encrypt_decrypt, call.operation));
    return check_side(key, side);
}

// --- encrypting ---

// check_size asks whether a plaintext fits; what SYMMETRIC_DEFAULT takes is the most there is.
Result<> check_size(const Key& key, EncryptionAlgorithm algorithm, std::size_t size) {
    if (is_symmetric(algorithm)) {
        return {};
    }
    const std::size_t digest = algorithm == EncryptionAlgorithm::rsaes_oaep_sha_1 ? 20 : 32;
    const std::size_t most = rsa_bits(key.spec) / 8 - 2 - 2 * digest;
    if (size > most) {
        return Error(KmsErrc::validation, "Algorithm " + std::string(name_of(algorithm)) +
                                              " and key spec " + std::string(name_of(key.spec)) +
                                              " cannot encrypt data larger than " +
                                              std::to_string(most) + " bytes.");
    }
    return {};
}

Result<Sealed> encrypt_by(Core& core, const Key& key, const Side& side, ByteView plaintext) {
    if (is_symmetric(side.algorithm)) {
        return seal_under(core, key, side.context, plaintext);
    }
    CASEMATE_TRY(const auto material, core.keyring.current(key));
    CASEMATE_TRY(Bytes blob,
                 material->rsa_key().public_key().encrypt(hash_of(side.algorithm), plaintext));
    return Sealed{std::move(blob), ""};
}

// --- decrypting ---

// reads_no_ciphertext tells whether a dry run is about permissions alone (DryRunModifiers).
Result<bool> reads_no_ciphertext(const Fields& fields) {
    CASEMATE_TRY(const std::vector<std::string> modifiers, fields.texts("DryRunModifiers", {0, 1}));
    for (const std::string& modifier : modifiers) {
        if (modifier != "IGNORE_CIPHERTEXT") {
            return Fields::not_in_set("DryRunModifiers", modifier, "[IGNORE_CIPHERTEXT]");
        }
    }
    CASEMATE_TRY(const bool dry_run, fields.truth("DryRun", false));
    if (!dry_run && !modifiers.empty()) {
        return Error(KmsErrc::validation, "DryRunModifiers is only valid when DryRun is true.");
    }
    return !modifiers.empty();
}

// Opening: a ciphertext, and what a request says of it.
struct Opening {
    Side side;
    // unread: a dry run about permissions alone, which has no ciphertext.
    bool unread = false;
    Bytes blob;
};

Result<Opening> read_opening(Call& call, const Fields& fields, const Members& members) {
    Opening opening;
    CASEMATE_TRY(opening.side, read_side(call, fields, members));
    CASEMATE_TRY(opening.unread, reads_no_ciphertext(fields));
    if (!opening.unread) {
        CASEMATE_TRY(opening.blob, fields.blob("CiphertextBlob", kBlobSize));
    }
    return opening;
}

// Source: a ciphertext and the key that is to open it.
struct Source {
    NamedKey key;
    // ciphertext of a symmetric key.
    std::optional<Ciphertext> ciphertext;
};

// no_access is for whoever names no key: whether the ciphertext's exists he learns only where he
// may use it.
Error no_access(Call& call, std::string_view action, const Error& why) {
    call.notes.refusal = why.message();
    return {KmsErrc::access_denied,
            "User: " + call.caller.arn +
                " is not authorized to perform: kms:" + std::string(action) +
                " on the resource associated with this ciphertext because the resource does not "
                "exist in this Region, no resource-based policies allow access, or a "
                "resource-based policy explicitly denies access"};
}

// find_source finds the key that the request names, or else the one that the ciphertext names.
Result<Source> find_source(Core& core, Call& call, const Members& members, const Opening& opening,
                           std::string_view action) {
    const Side& side = opening.side;
    Source source;
    if (side.key_id) {
        CASEMATE_TRY(source.key, core.keyring.find(*side.key_id, call.caller));
        return source;
    }
    if (!is_symmetric(side.algorithm) || opening.unread) {
        return Fields::missing(members.key_id);
    }
    CASEMATE_TRY(source.ciphertext, read_ciphertext(opening.blob));
    Result<KnownKeyPtr> known = core.keyring.by_id(source.ciphertext->key_id);
    if (!known) {
        return known.error().is(KmsErrc::not_found) ? no_access(call, action, known.error())
                                                    : known.error();
    }
    source.key.known = std::move(known).value();
    return source;
}

// permit_source asks for permission; nothing but the key's id in it has been told of a ciphertext
// before that.
Result<> permit_source(Core& core, Call& call, const Side& side, const Asked& asked) {
    Result<> permitted = permit(core, call, asked);
    if (!permitted && !side.key_id && permitted.error().is(KmsErrc::access_denied)) {
        return no_access(call, asked.action, permitted.error());
    }
    return permitted;
}

// check_source takes apart what is to be decrypted, and asks whether the key can do it.
Result<> check_source(const Call& call, Source& source, const Opening& opening) {
    const Key& key = source.key.key();
    if (is_symmetric(opening.side.algorithm) && !opening.unread) {
        if (!source.ciphertext) {
            CASEMATE_TRY(source.ciphertext, read_ciphertext(opening.blob));
        }
        if (source.ciphertext->key_id != key.id) {
            return Error(KmsErrc::incorrect_key,
                         "The key ID in the request does not identify a CMK that can perform this "
                         "operation.");
        }
    }
    return check_use(call, key, opening.side);
}

// open_source decrypts; a dry run that has nothing to decrypt ends here.
Result<SecretBytes> open_source(Core& core, const Fields& fields, const Source& source,
                                const Opening& opening) {
    if (opening.unread) {
        CASEMATE_CHECK(stop_if_dry_run(fields));
        return invalid_ciphertext();
    }
    const Key& key = source.key.key();
    const Side& side = opening.side;
    if (source.ciphertext) {
        const auto material = core.keyring.material(key, source.ciphertext->material_id);
        if (!material) {
            // A material that the key never had, or has no more.
            return material.error().is(KmsErrc::kms_invalid_state) ? invalid_ciphertext()
                                                                   : material.error();
        }
        return open_ciphertext(*source.ciphertext, (*material)->bytes(), side.context);
    }
    CASEMATE_TRY(const auto material, core.keyring.current(key));
    Result<SecretBytes> opened = material->rsa_key().decrypt(hash_of(side.algorithm), opening.blob);
    if (!opened || opened->empty()) {
        return invalid_ciphertext();
    }
    return opened;
}

// Target: ReEncrypt's other key.
struct Target {
    Side side;
    NamedKey key;
};

Result<Target> read_target(Core& core, Call& call, const Fields& fields) {
    Target target;
    CASEMATE_TRY(target.side, read_side(call, fields, kDestinationMembers));
    if (!target.side.key_id) {
        return Fields::missing(kDestinationMembers.key_id);
    }
    if (!target.side.context.empty()) {
        json::object context;
        for (const auto& [key, value] : target.side.context) {
            context[key] = value;
        }
        call.notes.parameters.emplace_back(kDestinationMembers.context,
                                           boost::json::serialize(context));
    }
    CASEMATE_TRY(target.key, core.keyring.find(*target.side.key_id, call.caller));
    return target;
}

}  // namespace

std::string_view name_of(EncryptionAlgorithm algorithm) {
    return kNames[static_cast<std::size_t>(algorithm)];
}

std::optional<EncryptionAlgorithm> parse_encryption_algorithm(std::string_view text) {
    const auto* found = std::find(kNames.begin(), kNames.end(), text);
    if (found == kNames.end()) {
        return std::nullopt;
    }
    return static_cast<EncryptionAlgorithm>(found - kNames.begin());
}

Result<Sealed> seal_under(Core& core, const Key& key, const EncryptionContext& context,
                          ByteView plaintext) {
    CASEMATE_TRY(const auto material, core.keyring.current(key));
    CASEMATE_TRY(Bytes blob, seal_ciphertext(key.id, key.current_material, material->bytes(),
                                             context, plaintext));
    return Sealed{std::move(blob), key.current_material};
}

Result<Answer> encrypt(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const Side side, read_side(call, fields, kPlainMembers));
    CASEMATE_TRY(const SecretBytes plaintext, fields.secret_blob("Plaintext", kPlaintextSize));
    CASEMATE_TRY(const NamedKey named,
                 take_key(core, call, fields, KeyUsage::encrypt_decrypt, asked_of(side)));
    const Key& key = named.key();
    CASEMATE_CHECK(check_side(key, side));
    CASEMATE_CHECK(check_size(key, side.algorithm, plaintext.size()));
    CASEMATE_CHECK(stop_if_dry_run(fields));
    CASEMATE_TRY(const Sealed sealed, encrypt_by(core, key, side, plaintext.view()));

    Answer answer = call.answer();
    put_blob(answer, "CiphertextBlob", sealed.blob);
    answer["KeyId"] = key.arn;
    answer["EncryptionAlgorithm"] = name_of(side.algorithm);
    return answer;
}

Result<Answer> decrypt(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const Opening opening, read_opening(call, fields, kPlainMembers));
    CASEMATE_TRY(const std::optional<Recipient> recipient, read_recipient(core, call));
    CASEMATE_TRY(Source source, find_source(core, call, kPlainMembers, opening, "Decrypt"));
    Asked asked = asked_of("Decrypt", source.key, opening.side);
    asked.recipient = document_of(recipient);
    CASEMATE_CHECK(permit_source(core, call, opening.side, asked));
    CASEMATE_CHECK(check_source(call, source, opening));
    CASEMATE_TRY(const SecretBytes plaintext, open_source(core, fields, source, opening));
    CASEMATE_CHECK(stop_if_dry_run(fields));

    Answer answer = call.answer();
    answer["KeyId"] = source.key.key().arn;
    CASEMATE_CHECK(put_secret(answer, "Plaintext", plaintext.view(), recipient));
    answer["EncryptionAlgorithm"] = name_of(opening.side.algorithm);
    if (source.ciphertext) {
        answer["KeyMaterialId"] = source.ciphertext->material_id;
    }
    return answer;
}

namespace {

// permit_both asks for the two permissions of a ReEncrypt.
Result<> permit_both(Core& core, Call& call, const Side& side, const Source& source,
                     const Target& target) {
    const bool same = source.key.key().id == target.key.key().id;
    Asked from = asked_of("ReEncryptFrom", source.key, side);
    Asked to = asked_of("ReEncryptTo", target.key, target.side);
    for (Asked* asked : {&from, &to}) {
        asked->conditions.emplace_back("kms:ReEncryptOnSameKey", same ? "true" : "false");
    }
    CASEMATE_CHECK(permit_source(core, call, side, from));
    std::optional<EncryptionContext> context = std::move(call.notes.encryption_context);
    CASEMATE_CHECK(permit(core, call, to));
    call.notes.encryption_context = std::move(context);
    return {};
}

Result<Sealed> seal_for(Core& core, const Fields& fields, const Target& target,
                        ByteView plaintext) {
    const Key& key = target.key.key();
    CASEMATE_CHECK(check_size(key, target.side.algorithm, plaintext.size()));
    CASEMATE_CHECK(stop_if_dry_run(fields));
    return encrypt_by(core, key, target.side, plaintext);
}

Answer re_encrypted(const Call& call, const Source& source, const Side& side, const Target& target,
                    const Sealed& sealed) {
    Answer answer = call.answer();
    put_blob(answer, "CiphertextBlob", sealed.blob);
    answer["SourceKeyId"] = source.key.key().arn;
    answer["KeyId"] = target.key.key().arn;
    answer["SourceEncryptionAlgorithm"] = name_of(side.algorithm);
    answer["DestinationEncryptionAlgorithm"] = name_of(target.side.algorithm);
    if (source.ciphertext) {
        answer["SourceKeyMaterialId"] = source.ciphertext->material_id;
    }
    if (!sealed.material_id.empty()) {
        answer["DestinationKeyMaterialId"] = sealed.material_id;
    }
    return answer;
}

}  // namespace

Result<Answer> re_encrypt(Core& core, Call& call) {
    const Fields fields(call.input);
    CASEMATE_TRY(const Opening opening, read_opening(call, fields, kSourceMembers));
    CASEMATE_TRY(const Target target, read_target(core, call, fields));
    CASEMATE_TRY(Source source, find_source(core, call, kSourceMembers, opening, "ReEncryptFrom"));
    CASEMATE_CHECK(permit_both(core, call, opening.side, source, target));
    CASEMATE_CHECK(check_source(call, source, opening));
    CASEMATE_CHECK(check_use(call, target.key.key(), target.side));
    CASEMATE_TRY(const SecretBytes plaintext, open_source(core, fields, source, opening));
    CASEMATE_TRY(const Sealed sealed, seal_for(core, fields, target, plaintext.view()));
    return re_encrypted(call, source, opening.side, target, sealed);
}

}  // namespace casemate::kms
