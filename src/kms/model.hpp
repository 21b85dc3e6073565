// The things that the key management service keeps: keys, their material, aliases, grants, callers.
// Names and values are AWS's (API_KeyMetadata and its neighbours).
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"

namespace casemate::kms {

// A point of the wall clock, in milliseconds; AWS's JSON has it in seconds with a fraction.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;

enum class KeySpec : std::uint8_t {
    symmetric_default,
    rsa_2048,
    rsa_3072,
    rsa_4096,
    ecc_nist_p256,
    ecc_nist_p384,
    ecc_nist_p521,
    hmac_256,
    hmac_384,
    hmac_512,
};
enum class KeyUsage : std::uint8_t {
    encrypt_decrypt,
    sign_verify,
    generate_verify_mac,
    key_agreement
};
enum class KeyState : std::uint8_t { enabled, disabled, pending_deletion, pending_import };
enum class Origin : std::uint8_t { aws_kms, external };

// name_of gives AWS's text ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "Enabled", "AWS_KMS");
// parse_… reads it.
[[nodiscard]] std::string_view name_of(KeySpec spec);
[[nodiscard]] std::string_view name_of(KeyUsage usage);
[[nodiscard]] std::string_view name_of(KeyState state);
[[nodiscard]] std::string_view name_of(Origin origin);
[[nodiscard]] std::optional<KeySpec> parse_key_spec(std::string_view text);
[[nodiscard]] std::optional<KeyUsage> parse_key_usage(std::string_view text);
[[nodiscard]] std::optional<KeyState> parse_key_state(std::string_view text);
[[nodiscard]] std::optional<Origin> parse_origin(std::string_view text);

// Key: one KMS key, without its material.
struct Key {
    // id: a UUID in lower case.
    std::string id;
    // arn: "arn:aws:kms:REGION:ACCOUNT:key/ID".
    std::string arn;
    KeySpec spec = KeySpec::symmetric_default;
    KeyUsage usage = KeyUsage::encrypt_decrypt;
    KeyState state = KeyState::enabled;
    Origin origin = Origin::aws_kms;
    std::string description;
    Time created;
    std::optional<Time> deletion_date;
    // The key policy, as its JSON was given.
    std::string policy;
    std::map<std::string, std::string> tags;
    // Automatic rotation: its period in days, and when it is next due. Nothing: off.
    std::optional<std::uint32_t> rotation_days;
    std::optional<Time> next_rotation;
    // The material that encrypts now; empty while an import is awaited.
    std::string current_material;
    // When imported material ends; nothing: never.
    std::optional<Time> valid_to;
    // Counts up with each change, so that a reader who has cached the key sees it.
    std::uint64_t version = 0;

    bool operator==(const Key&) const = default;
};

// Material: one generation of a key's secret, wrapped under the root key.
struct Material {
    std::string key_id;
    // id: 64 hexadecimal digits.
    std::string id;
    // sequence counts a key's generations from 1. kImportedMaterial has 0, and is none.
    std::uint32_t sequence = 1;
    // wrapped: what the vault made of the secret; bound to key_id and id.
    Bytes wrapped;
    Time created;
    // The public part of an asymmetric key, DER SubjectPublicKeyInfo.
    Bytes public_key;
    // rotation: "AUTOMATIC", "ON_DEMAND", or empty for the first.
    std::string rotation;

    bool operator==(const Material&) const = default;
};

// kImportedMaterial is the id of what a key keeps, among its materials, of the material that was
// imported first: its id and a salted digest, wrapped as material is. It stays when the material
// goes.
inline constexpr std::string_view kImportedMaterial = "imported";

struct Alias {
    // account: its 12 digits; each has its own names.
    std::string account;
    // name: "alias/…".
    std::string name;
    std::string key_id;
    Time created;
    Time updated;

    bool operator==(const Alias&) const = default;
};

struct Grant {
    std::string id;
    std::string key_id;
    std::string name;
    std::string grantee;
    std::string retiring_principal;
    std::string issuing_account;
    std::vector<std::string> operations;
    // EncryptionContextEquals or EncryptionContextSubset; subset says which.
    std::optional<std::map<std::string, std::string>> context;
    bool subset = false;
    Time created;

    bool operator==(const Grant&) const = default;
};

// User: a caller with an access key.
struct User {
    std::string name;
    std::string arn;
    // "AKIA…", 20 characters.
    std::string access_key_id;
    // The secret access key, wrapped under the root key; bound to access_key_id.
    Bytes wrapped_secret;
    // An IAM policy of its own beside the key policies; empty: none.
    std::string policy;
    Time created;

    bool operator==(const User&) const = default;
};

// Setting: a value of the service's own. One that the vault has wrapped (its first bytes say so) is
// bound to setting_binding(name).
struct Setting {
    std::string name;
    Bytes value;

    bool operator==(const Setting&) const = default;
};

}  // namespace casemate::kms
