// Keys of PKCS #11 tokens, through libp11's engine. Debian 12 has no PKCS #11 provider yet, so this
// file uses the API that OpenSSL 3 keeps for engines and calls deprecated; nothing else does.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/engine.h>
#include <openssl/rsa.h>
#include <openssl/ui.h>
#include <openssl/x509.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "crypto/key_access.hpp"
#include "crypto/openssl.hpp"
#include "crypto/token_rsa.hpp"
#include "crypto/token_uri.hpp"

namespace casemate::crypto {

namespace {

using NewEngine = Owned<ENGINE, ENGINE_free>;
using KeyContext = Owned<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;

Error token_error(std::string sentence) {
    return openssl_error(CryptoErrc::token_failure, std::move(sentence));
}

std::string quoted(const std::string& module) {
    return module.empty() ? "the default one" : module;
}

bool order(ENGINE* engine, const char* command, const char* argument) {
    return ENGINE_ctrl_cmd_string(engine, command, argument, 0) == 1;
}

Result<NewEngine> load_engine(const std::string& module) {
    if (OPENSSL_init_crypto(OPENSSL_INIT_ENGINE_DYNAMIC, nullptr) != 1) {
        return token_error("OpenSSL has no engines here");
    }
    const char* directory = OPENSSL_info(OPENSSL_INFO_ENGINES_DIR);
    const std::string file = std::string(directory == nullptr ? "" : directory) + "/pkcs11.so";
    NewEngine engine(ENGINE_by_id("dynamic"));
    // Kept out of OpenSSL's own list, which is emptied while the process ends, when the module may
    // be gone already.
    if (!engine || !order(engine.get(), "SO_PATH", file.c_str()) ||
        !order(engine.get(), "ID", "pkcs11") || !order(engine.get(), "LIST_ADD", "0") ||
        !order(engine.get(), "LOAD", nullptr)) {
        return token_error("the PKCS #11 engine " + file +
                           " (Debian package libengine-pkcs11-openssl) can't be loaded");
    }
    // What the engine has to say, it would write to standard error.
    if (!order(engine.get(), "QUIET", nullptr) ||
        (!module.empty() && !order(engine.get(), "MODULE_PATH", module.c_str())) ||
        ENGINE_init(engine.get()) != 1) {
        return token_error("the PKCS #11 engine does not start");
    }
    return engine;
}

// TokenEngine: the process's one engine, since OpenSSL loads one only once. It stays until the
// process ends: letting it go would shut the module down under the keys.
struct TokenEngine {
    std::mutex mutex;
    ENGINE* engine = nullptr;
    std::string module;
    bool has_pin = false;
};

TokenEngine& token_engine() {
    static auto& engine = *new TokenEngine();
    return engine;
}

// The engine asks for a PIN that it was not given; nobody is there to answer.
int refuse_to_ask(UI* /*ui*/) {
    return 0;
}

UI_METHOD* nobody() {
    static UI_METHOD* const method = [] {
        UI_METHOD* made = UI_create_method("nobody");
        require(made != nullptr && UI_method_set_opener(made, refuse_to_ask) == 0,
                "make a user interface");
        return made;
    }();
    return method;
}

Result<> give_pin(TokenEngine& tokens, const TokenUri& uri) {
    if (!uri.pin) {
        if (tokens.has_pin) {
            // It remembers the last one, and a token counts wrong PINs.
            return Error(CryptoErrc::token_failure,
                         "expected a PIN in the URI of " + uri.object +
                             " like in the one before it, found none: the other's would be tried");
        }
        return {};
    }
    SecretBytes text(uri.pin->size() + 1);
    std::ranges::copy(uri.pin->view(), text.mutable_view().begin());
    if (!order(tokens.engine, "PIN", as_text(text.view()).data())) {
        return token_error("the PKCS #11 engine does not take the PIN");
    }
    tokens.has_pin = true;
    return {};
}

Result<EvpKey> load_key(const TokenUri& uri) {
    TokenEngine& tokens = token_engine();
    const std::lock_guard lock(tokens.mutex);
    if (tokens.engine == nullptr) {
        CASEMATE_TRY(NewEngine engine, load_engine(uri.module));
        tokens.engine = engine.release();
        tokens.module = uri.module;
    } else if (tokens.module != uri.module) {
        return Error(CryptoErrc::token_failure,
                     "expected the module of the keys before, " + quoted(tokens.module) +
                         ", found " + quoted(uri.module) +
                         ": a process uses one (p11-kit's joins several)");
    }
    CASEMATE_CHECK(give_pin(tokens, uri));
    EvpKey key(ENGINE_load_private_key(tokens.engine, uri.object.c_str(), nobody(), nullptr));
    if (!key) {
        return token_error("the key " + uri.object +
                           (uri.pin ? " can't be used with the URI's PIN"
                                    : " can't be used without a PIN in the URI"));
    }
    return key;
}

}  // namespace

Result<PrivateKey> PrivateKey::from_token(const std::string& uri) {
    CASEMATE_TRY(const TokenUri parsed, parse_token_uri(uri));
    CASEMATE_TRY(EvpKey key, load_key(parsed));
    auto made = KeyAccess::make_private(std::move(key), true);
    if (!made) {
        return Error(CryptoErrc::token_failure,
                     "the key " + parsed.object + ": " + made.error().message());
    }
    return made;
}

void TokenRsaKey::FreeKey::operator()(evp_pkey_st* key) const {
    EVP_PKEY_free(key);
}

TokenRsaKey::TokenRsaKey(Handle handle, RsaPublicKey public_key)
    : handle_(std::move(handle)), public_key_(std::move(public_key)) {
}

TokenRsaKey::TokenRsaKey(TokenRsaKey&& other) noexcept = default;
TokenRsaKey& TokenRsaKey::operator=(TokenRsaKey&& other) noexcept = default;
TokenRsaKey::~TokenRsaKey() = default;

Result<TokenRsaKey> TokenRsaKey::find(const std::string& uri) {
    CASEMATE_TRY(const TokenUri parsed, parse_token_uri(uri));
    CASEMATE_TRY(EvpKey key, load_key(parsed));
    unsigned char* raw = nullptr;
    const int size =
        EVP_PKEY_get_base_id(key.get()) == EVP_PKEY_RSA ? i2d_PUBKEY(key.get(), &raw) : 0;
    const Owned<unsigned char, free_openssl> owned(raw);
    if (size <= 0) {
        return token_error("expected the key " + parsed.object +
                           " to be one of RSA, found another");
    }
    auto public_key = RsaPublicKey::from_spki(ByteView(raw, static_cast<std::size_t>(size)));
    if (!public_key) {
        return std::move(public_key).error().while_doing("the key " + parsed.object);
    }
    return TokenRsaKey(Handle(key.release()), std::move(public_key).value());
}

Result<SecretBytes> TokenRsaKey::decrypt(OaepHash hash, ByteView ciphertext) const {
    // Some tokens do not recover from another size.
    if (ciphertext.size() != public_key_.size()) {
        return Error(CryptoErrc::token_failure,
                     "expected a ciphertext of " + std::to_string(public_key_.size()) +
                         " bytes, found one of " + std::to_string(ciphertext.size()));
    }
    const EVP_MD* digest = hash == OaepHash::sha1 ? EVP_sha1() : EVP_sha256();
    const KeyContext context(EVP_PKEY_CTX_new(handle_.get(), nullptr));
    SecretBytes room(public_key_.size());
    std::size_t size = room.size();
    const std::lock_guard lock(token_engine().mutex);
    if (!context || EVP_PKEY_decrypt_init(context.get()) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), digest) != 1 ||
        EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), digest) != 1 ||
        EVP_PKEY_decrypt(context.get(), room.mutable_view().data(), &size, ciphertext.data(),
                         ciphertext.size()) != 1) {
        return token_error(
            "the token does not decrypt with its key; expected a ciphertext of this key, and that "
            "the key may decrypt (CKA_DECRYPT)");
    }
    // A success empties OpenSSL's queue too: the engine leaves there what it tried before.
    ERR_clear_error();
    SecretBytes plaintext(size);
    std::ranges::copy(room.view().first(size), plaintext.mutable_view().begin());
    return plaintext;
}

}  // namespace casemate::crypto
