// Vault: the root keys, and the secrets wrapped under them. What it makes may lie anywhere; only
// with the directory's root-keys file (and its passphrase or its token, if it has one) is it
// opened.
//
// Wrapped form, all numbers big-endian: "CKW1", the root key's id (16 bytes), then a nonce (12
// bytes), the ciphertext and the tag (16 bytes) of AES-256-GCM under HKDF-SHA256(root key, no salt,
// "casemate-kms wrapping"); associated data: the 20 bytes before the nonce and the binding.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "base/secret.hpp"

namespace casemate::kms {

enum class VaultErrc : std::uint8_t {
    // The directory or the file of root keys is not its owner's alone.
    bad_place,
    // The file of root keys, or what was wrapped, is not what the vault made.
    damaged,
    // The file of root keys is opened by another passphrase.
    wrong_passphrase,
    // The file of root keys is protected in another way, or by another key of a token.
    wrong_protection,
    // The token, or the way to it, refused: no such token or key, a wrong PIN.
    token_failure,
    // Wrapped under a root key that this vault has not, or has no more.
    unknown_root_key,
    // Wrapped for another key or caller, or changed since.
    not_opened,
    // The file could not be read or written.
    unavailable,
};

[[nodiscard]] std::string_view describe(VaultErrc code);

// RootKeyProtection: what keeps the root keys, besides the file's mode.
// Unprotected: nothing.
struct Unprotected {};
// ByPassphrase: AES-256-GCM under scrypt of a passphrase of at least one byte (N = 2^17, r = 8,
// p = 1: 128 MiB).
struct ByPassphrase {
    SecretBytes passphrase;
};
// ByToken: AES-256-GCM under a random key that only a key of RSA (2048 to 4096 bits) in a PKCS #11
// token opens, by RSAES-OAEP with SHA-256. uri is RFC 7512's, with the PIN (pin-value) or its file
// (pin-source); the file of root keys does not hold it. The token is asked once, at open.
struct ByToken {
    std::string uri;
};
using RootKeyProtection = std::variant<Unprotected, ByPassphrase, ByToken>;

// What a wrapped secret is bound to: it is opened for the same again, and for nothing else.
[[nodiscard]] std::string material_binding(std::string_view key_id, std::string_view material_id);
[[nodiscard]] std::string access_key_binding(std::string_view access_key_id);
[[nodiscard]] std::string setting_binding(std::string_view name);
[[nodiscard]] std::string session_binding(std::string_view access_key_id);

// Vault is moved before it is shared; all functions may then be called from any thread, and by
// several processes on one directory: what another has rotated is found when it is needed.
class Vault {
public:
    // open opens directory/root-keys, which is made at first, with one root key, protected as is
    // said, with mode 0600 in a directory of mode 0700. Errors: VaultErrc bad_place, damaged,
    // wrong_passphrase, wrong_protection, token_failure, unavailable.
    [[nodiscard]] static Result<Vault> open(const std::string& directory,
                                            const RootKeyProtection& protection = Unprotected());
    Vault(Vault&& other) noexcept;
    Vault& operator=(Vault&& other) noexcept;
    Vault(const Vault&) = delete;
    Vault& operator=(const Vault&) = delete;
    ~Vault();

    // wrap wraps a secret of at most 65536 bytes under the current root key. Errors: VaultErrc
    // damaged for a longer one, unavailable.
    [[nodiscard]] Result<Bytes> wrap(ByteView secret, std::string_view binding) const;
    // Errors: VaultErrc damaged, unknown_root_key, not_opened.
    [[nodiscard]] Result<SecretBytes> unwrap(ByteView wrapped, std::string_view binding) const;
    // is_wrapped tells whether bytes begin as those that a vault has wrapped.
    [[nodiscard]] static bool is_wrapped(ByteView bytes);
    // is_current tells whether wrapped is under the current root key.
    [[nodiscard]] bool is_current(ByteView wrapped) const;

    // current_id and ids are hexadecimal, the newest first.
    [[nodiscard]] std::string current_id() const;
    [[nodiscard]] std::vector<std::string> ids() const;

    // change_protection protects the file of root keys in another way, or by another passphrase or
    // key; the root keys stay as they are. After a kill at any moment the file is protected in the
    // old way or the new. Vaults that other processes have open go on, but must be opened again
    // before they see what is rotated from now on. What the old file held may still lie on the
    // disk: who no longer trusts the old way rotates and wraps anew. Errors: VaultErrc
    // wrong_passphrase for an empty one, wrong_protection, token_failure, unavailable; the file and
    // this object are as they were.
    [[nodiscard]] Result<> change_protection(const RootKeyProtection& protection);

    // refresh reads the file anew, so that a root key that another process has made becomes this
    // object's current one: who wraps for long does so every few seconds. Errors: VaultErrc
    // damaged, unavailable; this object is as it was.
    [[nodiscard]] Result<> refresh() const;

    // rotate makes a new current root key; the others stay for reading. Errors: VaultErrc
    // unavailable; the file and this object are as they were.
    [[nodiscard]] Result<> rotate();
    // forget_old removes every root key but the current one from the file: what is still wrapped
    // under those is lost.
    [[nodiscard]] Result<> forget_old();

private:
    struct State;
    explicit Vault(std::unique_ptr<State> state);

    std::unique_ptr<State> state_;
};

}  // namespace casemate::kms
