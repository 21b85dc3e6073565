#include "kms/vault/vault.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <utility>

#include "base/os_error.hpp"
#include "crypto/aead.hpp"
#include "crypto/digest.hpp"
#include "crypto/kdf.hpp"
#include "crypto/random.hpp"
#include "kms/store/directory.hpp"
#include "kms/store/error.hpp"
#include "kms/vault/seal.hpp"

namespace casemate::kms {

namespace {

// The file of root keys, numbers big-endian: the seal's header, then where nothing seals the body
// and the SHA-256 of all before; else a nonce (12) and the sealed body, whose associated data is
// the header. The body: the number of keys (2), then id (16) and key (32) of each, the newest
// first.
constexpr std::string_view kWrappedMagic = "CKW1";
constexpr std::string_view kInfo = "casemate-kms wrapping";
const std::string kFile = "root-keys";
constexpr std::size_t kIdSize = 16;
constexpr std::size_t kKeySize = crypto::kAeadKeySize;
constexpr std::size_t kWrappedHeader = kWrappedMagic.size() + kIdSize;
constexpr std::size_t kMaxSecret = 65536;
constexpr std::size_t kMaxFile = 65536;
constexpr std::size_t kMaxKeys = 1000;

using Id = std::array<std::uint8_t, kIdSize>;

struct RootKey {
    Id id{};
    SecretBytes key;
    // wrapping is what is derived from key.
    SecretBytes wrapping;
};

Error damaged(std::string detail) {
    return {VaultErrc::damaged, std::move(detail)};
}

Error unavailable(const Error& error) {
    return {VaultErrc::unavailable, error.message()};
}

// The store's word for a directory, in the vault's.
Error of_place(const Error& error) {
    return {error.is(StoreErrc::bad_place) ? VaultErrc::bad_place : VaultErrc::unavailable,
            error.detail()};
}

Result<RootKey> make_root_key(const Id& id, SecretBytes key) {
    auto wrapping = crypto::hkdf_sha256(key, {}, as_bytes(kInfo), kKeySize);
    if (!wrapping) {
        return unavailable(wrapping.error());
    }
    return RootKey{id, std::move(key), std::move(wrapping).value()};
}

SecretBytes write_body(const std::vector<RootKey>& keys) {
    Bytes body;
    // All at once: a vector that grows leaves its old bytes behind.
    body.reserve(2 + keys.size() * (kIdSize + kKeySize));
    ByteWriter writer(body);
    writer.put_be(static_cast<std::uint16_t>(keys.size()));
    for (const RootKey& key : keys) {
        writer.put_bytes(key.id);
        writer.put_bytes(key.key.view());
    }
    return SecretBytes(std::move(body));
}

Result<std::vector<RootKey>> read_body(ByteView body) {
    ByteReader reader(body);
    std::uint16_t count = 0;
    if (!reader.read_be(count) || count == 0 || count > kMaxKeys ||
        reader.remaining() != count * (kIdSize + kKeySize)) {
        return damaged("expected whole root keys, found " + std::to_string(body.size()) + " bytes");
    }
    std::vector<RootKey> keys;
    for (std::uint16_t i = 0; i < count; ++i) {
        Id id{};
        SecretBytes secret(kKeySize);
        if (!reader.copy_bytes(id) || !reader.copy_bytes(secret.mutable_view())) {
            return damaged("expected whole root keys");
        }
        CASEMATE_TRY(RootKey key, make_root_key(id, std::move(secret)));
        keys.push_back(std::move(key));
    }
    return keys;
}

// Lock: this process's alone, among those that read or write the file, as long as it is.
Result<> lock(int directory, const std::string& path) {
    while (::flock(directory, LOCK_EX) != 0) {
        if (errno != EINTR) {
            return unavailable(os_error("lock " + path));
        }
    }
    return {};
}

}  // namespace

std::string_view describe(VaultErrc code) {
    switch (code) {
        case VaultErrc::bad_place:
            return "no place for root keys";
        case VaultErrc::damaged:
            return "damaged";
        case VaultErrc::wrong_passphrase:
            return "wrong passphrase";
        case VaultErrc::wrong_protection:
            return "wrong protection";
        case VaultErrc::token_failure:
            return "token failure";
        case VaultErrc::unknown_root_key:
            return "unknown root key";
        case VaultErrc::not_opened:
            return "not opened";
        case VaultErrc::unavailable:
            return "vault unavailable";
    }
    return "unknown vault error";
}

std::string material_binding(std::string_view key_id, std::string_view material_id) {
    return "material/" + std::string(key_id) + "/" + std::string(material_id);
}

std::string access_key_binding(std::string_view access_key_id) {
    return "access-key/" + std::string(access_key_id);
}

std::string setting_binding(std::string_view name) {
    return "setting/" + std::string(name);
}

std::string session_binding(std::string_view access_key_id) {
    return "session/" + std::string(access_key_id);
}

struct Vault::State {
    mutable std::shared_mutex mutex;
    std::string directory;
    Seal seal;
    std::vector<RootKey> keys;
    // loaded is the file that was read last. As long as it is open, no other gets its number.
    UniqueFd loaded;

    [[nodiscard]] std::string path() const { return directory + "/" + kFile; }

    // read_header takes the seal from a file's beginning; without a protection it must be the one
    // that is open.
    Result<> read_header(ByteReader& reader, const RootKeyProtection* protection) {
        CASEMATE_TRY(const ByteView header, read_seal_header(reader, path()));
        if (protection != nullptr) {
            CASEMATE_TRY(seal, open_seal(header, *protection, path()));
        } else if (!std::ranges::equal(header, seal.header)) {
            return Error(VaultErrc::unavailable,
                         "expected " + path() + " protected as when it was opened, found that " +
                             "another process has changed it; open it again");
        }
        return {};
    }

    Result<> parse(ByteView content, const RootKeyProtection* protection) {
        ByteReader reader(content);
        CASEMATE_CHECK(read_header(reader, protection));
        if (seal.key.empty()) {
            const std::size_t tail = std::tuple_size_v<crypto::Digest256>;
            if (reader.remaining() < tail ||
                !std::ranges::equal(crypto::sha256(content.first(content.size() - tail)),
                                    content.last(tail))) {
                return damaged("expected " + path() + " with its own digest, found another");
            }
            CASEMATE_TRY(keys, read_body(reader.rest().first(reader.remaining() - tail)));
            return {};
        }
        crypto::AeadNonce nonce{};
        if (!reader.copy_bytes(nonce)) {
            return damaged("expected a nonce in " + path() + ", found the end");
        }
        const auto body = crypto::open(seal.key, nonce, seal.header, reader.rest());
        if (!body) {
            // A token's key was found to be the right one.
            return protection != nullptr && std::holds_alternative<ByPassphrase>(*protection)
                       ? Error(VaultErrc::wrong_passphrase,
                               "expected the passphrase of " + path() + ", or the file is damaged")
                       : damaged("expected " + path() + " as it was made, found other bytes");
        }
        CASEMATE_TRY(keys, read_body(body->view()));
        return {};
    }

    // load reads the file; false: there is none.
    Result<bool> load(int fd, const RootKeyProtection* protection) {
        UniqueFd file(::openat(fd, kFile.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!file.valid() && errno == ENOENT) {
            return false;
        }
        struct stat status {};
        if (!file.valid() && errno == ELOOP) {
            return Error(VaultErrc::bad_place, "expected a file at " + path() + ", found a link");
        }
        if (!file.valid() || ::fstat(file.get(), &status) != 0) {
            return unavailable(os_error("open " + path()));
        }
        if (auto checked = check_private_file(status, path()); !checked) {
            return of_place(checked.error());
        }
        if (status.st_size > static_cast<off_t>(kMaxFile)) {
            return damaged("expected at most " + std::to_string(kMaxFile) + " bytes in " + path());
        }
        SecretBytes content(static_cast<std::size_t>(status.st_size));
        if (auto done = read_exactly(file.get(), content.mutable_view()); !done) {
            return unavailable(done.error());
        }
        CASEMATE_CHECK(parse(content.view(), protection));
        loaded = std::move(file);
        return true;
    }

    // is_loaded tells whether the file is still the one that was read last, as it was. Who sends
    // what was wrapped under no root key of this vault so makes nobody read the file.
    [[nodiscard]] bool is_loaded() const {
        struct stat there {};
        struct stat ours {};
        return loaded.valid() && ::stat(path().c_str(), &there) == 0 &&
               ::fstat(loaded.get(), &ours) == 0 && there.st_dev == ours.st_dev &&
               there.st_ino == ours.st_ino;
    }

    // store writes the file anew; keys are this object's only when it is done.
    Result<> store(int fd, std::vector<RootKey>&& later) {
        CASEMATE_CHECK(write(fd, later, seal));
        keys = std::move(later);
        return {};
    }

    Result<> write(int fd, const std::vector<RootKey>& later, const Seal& by) const {
        const SecretBytes body = write_body(later);
        Bytes content;
        content.reserve(kMaxFile);
        ByteWriter writer(content);
        writer.put_bytes(by.header);
        if (by.key.empty()) {
            writer.put_bytes(body.view());
            writer.put_bytes(crypto::sha256(content));
        } else {
            crypto::AeadNonce nonce{};
            crypto::random_bytes(nonce);
            auto sealed = crypto::seal(by.key, nonce, by.header, body.view());
            if (!sealed) {
                return unavailable(sealed.error());
            }
            writer.put_bytes(nonce);
            writer.put_bytes(*sealed);
        }
        const SecretBytes whole(std::move(content));
        if (auto done = replace_private_file(fd, directory, kFile, whole.view()); !done) {
            return of_place(done.error());
        }
        return {};
    }

    // add makes a new current root key.
    Result<> add(int fd) {
        if (keys.size() == kMaxKeys) {
            return Error(VaultErrc::unavailable, "expected at most " + std::to_string(kMaxKeys) +
                                                     " root keys; wrap anew and forget the old");
        }
        Id id{};
        crypto::random_bytes(id);
        std::vector<RootKey> later;
        CASEMATE_TRY(RootKey key, make_root_key(id, crypto::random_secret(kKeySize)));
        later.push_back(std::move(key));
        for (const RootKey& old : keys) {
            SecretBytes copy(old.key.size());
            std::ranges::copy(old.key.view(), copy.mutable_view().begin());
            CASEMATE_TRY(RootKey kept, make_root_key(old.id, std::move(copy)));
            later.push_back(std::move(kept));
        }
        return store(fd, std::move(later));
    }

    [[nodiscard]] const RootKey* find(ByteView id) const {
        const auto found = std::ranges::find_if(
            keys, [&](const RootKey& key) { return std::ranges::equal(key.id, id); });
        return found == keys.end() ? nullptr : &*found;
    }

    // open_and_lock gives the directory, locked, with the keys as the file has them now.
    Result<UniqueFd> open_and_lock(const RootKeyProtection* protection) {
        auto fd = open_private_directory(directory);
        if (!fd) {
            return of_place(fd.error());
        }
        CASEMATE_CHECK(lock(fd->get(), directory));
        CASEMATE_TRY(const bool there, load(fd->get(), protection));
        if (!there && protection == nullptr) {
            return Error(VaultErrc::unavailable,
                         "expected root keys at " + path() + ", found none");
        }
        if (!there) {
            CASEMATE_TRY(seal, make_seal(*protection));
            CASEMATE_CHECK(add(fd->get()));
        }
        return std::move(fd).value();
    }
};

Vault::Vault(std::unique_ptr<State> state) : state_(std::move(state)) {
}
Vault::Vault(Vault&& other) noexcept = default;
Vault& Vault::operator=(Vault&& other) noexcept = default;
Vault::~Vault() = default;

Result<Vault> Vault::open(const std::string& directory, const RootKeyProtection& protection) {
    auto state = std::make_unique<State>();
    state->directory = directory;
    CASEMATE_CHECK(state->open_and_lock(&protection));
    return Vault(std::move(state));
}

Result<> Vault::change_protection(const RootKeyProtection& protection) {
    // Made before the file is locked: it takes time.
    CASEMATE_TRY(Seal later, make_seal(protection));
    const std::unique_lock guard(state_->mutex);
    CASEMATE_TRY(const UniqueFd fd, state_->open_and_lock(nullptr));
    CASEMATE_CHECK(state_->write(fd.get(), state_->keys, later));
    state_->seal = std::move(later);
    return {};
}

Result<Bytes> Vault::wrap(ByteView secret, std::string_view binding) const {
    if (secret.size() > kMaxSecret) {
        return Error(VaultErrc::damaged, "expected a secret of at most " +
                                             std::to_string(kMaxSecret) + " bytes, found " +
                                             std::to_string(secret.size()));
    }
    const std::shared_lock guard(state_->mutex);
    const RootKey& root = state_->keys.front();
    Bytes wrapped;
    ByteWriter writer(wrapped);
    writer.put_bytes(as_bytes(kWrappedMagic));
    writer.put_bytes(root.id);
    Bytes associated = wrapped;
    ByteWriter(associated).put_bytes(as_bytes(binding));
    crypto::AeadNonce nonce{};
    crypto::random_bytes(nonce);
    const auto sealed = crypto::seal(root.wrapping, nonce, associated, secret);
    if (!sealed) {
        return unavailable(sealed.error());
    }
    writer.put_bytes(nonce);
    writer.put_bytes(*sealed);
    return wrapped;
}

Result<SecretBytes> Vault::unwrap(ByteView wrapped, std::string_view binding) const {
    ByteReader reader(wrapped);
    ByteView magic;
    ByteView id;
    crypto::AeadNonce nonce{};
    if (!reader.read_bytes(kWrappedMagic.size(), magic) || as_text(magic) != kWrappedMagic ||
        !reader.read_bytes(kIdSize, id) || !reader.copy_bytes(nonce) ||
        reader.remaining() < crypto::kAeadTagSize ||
        reader.remaining() > kMaxSecret + crypto::kAeadTagSize) {
        return damaged("expected a wrapped secret, found " + std::to_string(wrapped.size()) +
                       " other bytes");
    }
    Bytes associated(wrapped.begin(), wrapped.begin() + kWrappedHeader);
    ByteWriter(associated).put_bytes(as_bytes(binding));
    std::shared_lock guard(state_->mutex);
    if (state_->find(id) == nullptr && !state_->is_loaded()) {
        // Another process may have made it since.
        guard.unlock();
        {
            const std::unique_lock alone(state_->mutex);
            CASEMATE_CHECK(state_->open_and_lock(nullptr));
        }
        guard.lock();
    }
    const RootKey* root = state_->find(id);
    if (root == nullptr) {
        return Error(VaultErrc::unknown_root_key,
                     "expected a root key of " + state_->path() + ", found " + to_hex(id));
    }
    auto secret = crypto::open(root->wrapping, nonce, associated, reader.rest());
    if (!secret) {
        return Error(VaultErrc::not_opened, "expected what was wrapped for " +
                                                std::string(binding) + ", found other bytes");
    }
    return std::move(secret).value();
}

bool Vault::is_wrapped(ByteView bytes) {
    return bytes.size() >= kWrappedHeader &&
           as_text(bytes.first(kWrappedMagic.size())) == kWrappedMagic;
}

bool Vault::is_current(ByteView wrapped) const {
    const std::shared_lock guard(state_->mutex);
    return wrapped.size() >= kWrappedHeader &&
           std::ranges::equal(wrapped.subspan(kWrappedMagic.size(), kIdSize),
                              state_->keys.front().id);
}

std::string Vault::current_id() const {
    const std::shared_lock guard(state_->mutex);
    return to_hex(state_->keys.front().id);
}

std::vector<std::string> Vault::ids() const {
    const std::shared_lock guard(state_->mutex);
    std::vector<std::string> ids;
    for (const RootKey& key : state_->keys) {
        ids.push_back(to_hex(key.id));
    }
    return ids;
}

Result<> Vault::refresh() const {
    const std::unique_lock guard(state_->mutex);
    CASEMATE_CHECK(state_->open_and_lock(nullptr));
    return {};
}

Result<> Vault::rotate() {
    const std::unique_lock guard(state_->mutex);
    CASEMATE_TRY(const UniqueFd fd, state_->open_and_lock(nullptr));
    return state_->add(fd.get());
}

Result<> Vault::forget_old() {
    const std::unique_lock guard(state_->mutex);
    const Id current = state_->keys.front().id;
    CASEMATE_TRY(const UniqueFd fd, state_->open_and_lock(nullptr));
    if (state_->keys.front().id != current) {
        return Error(VaultErrc::unavailable,
                     "expected the current root key to stay, found that another process has made a "
                     "newer one; wrap anew again");
    }
    std::vector<RootKey> later;
    SecretBytes copy(kKeySize);
    std::ranges::copy(state_->keys.front().key.view(), copy.mutable_view().begin());
    CASEMATE_TRY(RootKey kept, make_root_key(current, std::move(copy)));
    later.push_back(std::move(kept));
    return state_->store(fd.get(), std::move(later));
}

}  // namespace casemate::kms
