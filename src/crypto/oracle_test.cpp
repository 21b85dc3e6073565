// Another's implementation of the same: Debian's python3-cryptography, by tests/oracles.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/fd.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/aead.hpp"
#include "crypto/agreement.hpp"
#include "crypto/kdf.hpp"
#include "crypto/key.hpp"
#include "crypto/random.hpp"
#include "crypto/rsa_for_test.hpp"
#include "crypto/wrapping.hpp"
#include "support/paths.hpp"

namespace casemate::crypto {
namespace {

constexpr const char* kPython = "/usr/bin/python3";

// python runs it and gives whether it succeeded, with what it printed.
std::pair<bool, std::string> python(std::vector<std::string> arguments) {
    auto pipe = make_pipe();
    EXPECT_TRUE(pipe.ok());
    SpawnOptions options;
    options.program = kPython;
    options.arguments = std::move(arguments);
    options.standard_output = pipe->second.get();
    options.standard_error = pipe->second.get();
    auto process = Process::spawn(options);
    if (!process) {
        return {false, process.error().message()};
    }
    pipe->second.reset();
    std::string said;
    Bytes buffer(4096);
    while (const auto size = read_some(pipe->first.get(), buffer).value()) {
        said += as_text(ByteView(buffer).first(size));
    }
    return {process->wait()->exit_code == 0, said};
}

struct NamedCurve {
    Curve curve;
    const char* name;
};
constexpr auto kCurves = std::to_array<NamedCurve>(
    {{Curve::p256, "p256"}, {Curve::p384, "p384"}, {Curve::p521, "p521"}});

struct NamedHash {
    RsaHash hash;
    const char* name;
};
constexpr auto kHashes = std::to_array<NamedHash>(
    {{RsaHash::sha256, "sha256"}, {RsaHash::sha384, "sha384"}, {RsaHash::sha512, "sha512"}});

class Oracle : public testing::Test {
protected:
    void SetUp() override {
        if (!python({"-c", "import cryptography"}).first) {
            GTEST_SKIP() << "python3-cryptography is not installed";
        }
        ASSERT_TRUE(directory_.ok());
    }
    void put(const std::string& name, ByteView bytes) const {
        ASSERT_TRUE(write_file_atomically(directory_->path() + "/" + name, bytes).ok());
    }
    void put(const std::string& name, const Result<Bytes>& bytes) const {
        ASSERT_TRUE(bytes.ok()) << name << ": " << bytes.error().message();
        put(name, ByteView(*bytes));
    }
    void put(const std::string& name, const Result<SecretBytes>& bytes) const {
        ASSERT_TRUE(bytes.ok()) << name << ": " << bytes.error().message();
        put(name, bytes->view());
    }
    [[nodiscard]] Bytes theirs(const std::string& name) const {
        auto bytes = read_file(directory_->path() + "/their_" + name, 1U << 20U);
        EXPECT_TRUE(bytes.ok()) << name;
        return bytes ? std::move(bytes).value() : Bytes();
    }

    void put_rsa(ByteView message) const {
        const RsaPrivateKey& key = rsa_key_for_test();
        put("rsa", key.to_pkcs8().view());
        put("rsa_public", ByteView(key.public_key().spki()));
        put("oaep_sha1", key.public_key().encrypt(OaepHash::sha1, message));
        put("oaep_sha256", key.public_key().encrypt(OaepHash::sha256, message));
        for (const NamedHash& one : kHashes) {
            put(std::string("pss_") + one.name, key.sign(RsaScheme::pss, one.hash, message));
            put(std::string("pkcs1_") + one.name,
                key.sign(RsaScheme::pkcs1_v15, one.hash, message));
        }
    }
    void check_rsa(ByteView message) const {
        const RsaPrivateKey& key = rsa_key_for_test();
        for (const auto& [hash, name] :
             {std::pair(OaepHash::sha1, "oaep_sha1"), std::pair(OaepHash::sha256, "oaep_sha256")}) {
            const auto opened = key.decrypt(hash, theirs(name));
            ASSERT_TRUE(opened.ok()) << name;
            EXPECT_TRUE(std::ranges::equal(opened->view(), message)) << name;
        }
        for (const NamedHash& one : kHashes) {
            EXPECT_TRUE(key.public_key().verifies(RsaScheme::pss, one.hash, message,
                                                  theirs(std::string("pss_") + one.name)));
        }
    }
    void put_symmetric(ByteView message) const {
        const SecretBytes key = random_secret(32);
        AeadNonce nonce{};
        random_bytes(nonce);
        put("wrapping_key", key.view());
        put("wrapped", wrap(key, message));
        put("nonce", ByteView(nonce));
        put("sealed", seal(key, nonce, as_bytes("context"), message));
        put("derived", hkdf_sha256(key, as_bytes("salt"), as_bytes("info"), 100));
    }

    Result<TemporaryDirectory> directory_ = TemporaryDirectory::create();
};

TEST_F(Oracle, DoesTheSame) {
    Bytes message(61);
    random_bytes(message);
    put("message", ByteView(message));
    put_rsa(message);
    put_symmetric(message);
    std::vector<PrivateKey> keys;
    for (const NamedCurve& one : kCurves) {
        const std::string name = one.name;
        keys.push_back(PrivateKey::generate(one.curve).value());
        const auto peer = PrivateKey::generate(one.curve);
        put(name, keys.back().to_pkcs8());
        put("ecdsa_" + name, keys.back().sign_der(message));
        put("peer_" + name, ByteView(peer->public_key().spki()));
        put("agreed_" + name, agree(keys.back(), peer->public_key().spki()));
    }
    const auto [held, said] =
        python({"-B", test::source_dir() + "/tests/oracles/primitives.py", directory_->path()});
    ASSERT_TRUE(held) << said;
    check_rsa(message);
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const std::string name = kCurves[i].name;
        EXPECT_TRUE(keys[i].public_key().verifies_der(message, theirs("ecdsa_" + name))) << name;
        const auto made = PrivateKey::from_pkcs8(theirs(name));
        ASSERT_TRUE(made.ok()) << name << ": " << made.error().message();
        EXPECT_EQ(made->public_key().curve(), kCurves[i].curve);
    }
}

}  // namespace
}  // namespace casemate::crypto
