// What is left of a secret in this process's memory when its last owner has gone: nothing.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/temporary_directory.hpp"
#include "crypto/random.hpp"
#include "kms/backup/backup.hpp"
#include "kms/vault/rewrap.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CASEMATE_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CASEMATE_SANITIZED 1
#endif
#endif

namespace casemate::kms {
namespace {

// Hidden: a secret that memory can be searched for without having it there: each byte is changed.
class Hidden {
public:
    explicit Hidden(ByteView secret) {
        for (const std::uint8_t byte : secret) {
            hidden_.push_back(byte ^ kMask);
        }
    }

    // reveal makes the secret.
    [[nodiscard]] SecretBytes reveal() const {
        SecretBytes secret(hidden_.size());
        std::ranges::transform(hidden_, secret.mutable_view().begin(),
                               [](std::uint8_t byte) { return byte ^ kMask; });
        return secret;
    }

    [[nodiscard]] std::size_t occurrences_in(ByteView bytes) const {
        std::size_t count = 0;
        for (std::size_t i = 0; i + hidden_.size() <= bytes.size(); ++i) {
            count += std::equal(hidden_.begin(), hidden_.end(), bytes.begin() + std::ptrdiff_t(i),
                                [](std::uint8_t a, std::uint8_t b) { return (a ^ kMask) == b; })
                         ? 1U
                         : 0U;
        }
        return count;
    }

private:
    static constexpr std::uint8_t kMask = 0xa5;
    Bytes hidden_;
};

// Window: where a piece of memory is copied to be looked at, itself left out.
class Window {
public:
    static constexpr std::size_t kSize = std::size_t{1} << 20U;

    Window()
        : memory_(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC)),
          start_(
              ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {}
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;
    ~Window() { ::munmap(start_, kSize); }

    [[nodiscard]] bool valid() const { return memory_.valid() && start_ != MAP_FAILED; }

    // occurrences counts a secret in all writable memory of the process.
    [[nodiscard]] std::size_t occurrences(const Hidden& hidden) const {
        std::ifstream maps("/proc/self/maps");
        const auto own = std::bit_cast<std::uintptr_t>(start_);
        std::vector<std::pair<std::uintptr_t, std::uintptr_t>> ranges;
        std::string line;
        while (std::getline(maps, line)) {
            unsigned long start = 0;
            unsigned long end = 0;
            if (std::sscanf(line.c_str(), "%lx-%lx rw", &start, &end) != 2 ||
                line.find(" rw") == std::string::npos) {
                continue;
            }
            // The window may have been joined with its neighbours.
            if (start <= own && own < end) {
                ranges.emplace_back(start, own);
                start = own + kSize;
            }
            ranges.emplace_back(start, end);
        }
        std::size_t count = 0;
        for (const auto& [start, end] : ranges) {
            count += occurrences(hidden, start, end);
        }
        return count;
    }

private:
    [[nodiscard]] std::size_t occurrences(const Hidden& hidden, std::uintptr_t start,
                                          std::uintptr_t end) const {
        constexpr std::size_t kOverlap = 64;
        std::size_t count = 0;
        for (std::uintptr_t at = start; at < end; at += kSize - kOverlap) {
            const std::size_t wanted = std::min<std::size_t>(kSize, end - at);
            const ssize_t got = ::pread(memory_.get(), start_, wanted, static_cast<off_t>(at));
            if (got > 0) {
                count += hidden.occurrences_in(ByteView(static_cast<const std::uint8_t*>(start_),
                                                        static_cast<std::size_t>(got)));
            }
        }
        return count;
    }

    UniqueFd memory_;
    void* start_;
};

class Leftovers : public ::testing::Test {
protected:
    Leftovers()
        : directory_(TemporaryDirectory::create().value()),
          hidden_(crypto::random_secret(48).view()) {}

    void SetUp() override {
#ifdef CASEMATE_SANITIZED
        GTEST_SKIP() << "a sanitizer's memory takes too long to be looked at";
#endif
        ASSERT_TRUE(window_.valid());
    }

    [[nodiscard]] std::string place(const char* name) const {
        return directory_.path() + "/" + name;
    }

    TemporaryDirectory directory_;
    Hidden hidden_;
    Window window_;
};

constexpr const char* kBinding = "material/k/m";

TEST_F(Leftovers, OfASecretThatIsWrappedAndUnwrappedThereAreNone) {
    const Vault vault = Vault::open(place("vault")).value();
    Bytes wrapped;
    {
        const SecretBytes secret = hidden_.reveal();
        ASSERT_GE(window_.occurrences(hidden_), 1);
        wrapped = vault.wrap(secret.view(), kBinding).value();
    }
    EXPECT_EQ(window_.occurrences(hidden_), 0);
    {
        const auto opened = vault.unwrap(wrapped, kBinding);
        ASSERT_TRUE(opened);
        EXPECT_EQ(window_.occurrences(hidden_), 1);
    }
    EXPECT_EQ(window_.occurrences(hidden_), 0);
    ASSERT_FALSE(vault.unwrap(wrapped, "another"));
    EXPECT_EQ(window_.occurrences(hidden_), 0);
}

TEST_F(Leftovers, OfABackupsSecretsAndPassphraseThereAreNone) {
    Vault vault = Vault::open(place("from")).value();
    const auto repository = Repository::open(place("from")).value();
    const Hidden passphrase(crypto::random_secret(40).view());
    Key key;
    key.id = "k";
    Material material;
    material.key_id = "k";
    material.id = "m";
    material.wrapped = vault.wrap(hidden_.reveal().view(), kBinding).value();
    ASSERT_TRUE(repository->create_key(key, material));
    Bytes file;
    const auto saved = backup(*repository, vault, passphrase.reveal(),
                              [&](ByteView bytes) -> Result<> {
                                  file.insert(file.end(), bytes.begin(), bytes.end());
                                  return {};
                              },
                              {.n = 16});
    ASSERT_TRUE(saved) << saved.error().message();
    EXPECT_EQ(window_.occurrences(hidden_), 0);
    EXPECT_EQ(window_.occurrences(passphrase), 0);
    ASSERT_TRUE(vault.rotate());
    ASSERT_EQ(rewrap(vault, *repository).value(), 1);
    EXPECT_EQ(window_.occurrences(hidden_), 0);
    const Vault other = Vault::open(place("to")).value();
    const auto empty = Repository::open(place("to")).value();
    ByteView rest = file;
    const auto restored =
        restore(*empty, other, passphrase.reveal(), [&](MutableBytes out) -> Result<std::size_t> {
            const std::size_t size = std::min(out.size(), rest.size());
            std::ranges::copy(rest.first(size), out.begin());
            rest = rest.subspan(size);
            return size;
        });
    ASSERT_TRUE(restored) << restored.error().message();
    EXPECT_EQ(window_.occurrences(hidden_), 0);
    EXPECT_EQ(window_.occurrences(passphrase), 0);
    EXPECT_TRUE(other.unwrap(empty->material("k", "m")->wrapped, kBinding));
}

TEST_F(Leftovers, OfRootKeysAndTheirPassphraseThereAreNone) {
    const Hidden passphrase(crypto::random_secret(40).view());
    std::optional<Hidden> root;
    {
        const Vault vault = Vault::open(place("vault")).value();
        // The root key is the last 32 bytes before the file's digest.
        const UniqueFd file = open_file(place("vault") + "/root-keys", O_RDONLY).value();
        SecretBytes content(file_size(file.get()).value());
        ASSERT_TRUE(read_exactly(file.get(), content.mutable_view()));
        root.emplace(content.view().subspan(content.size() - 64, 32));
    }
    EXPECT_EQ(window_.occurrences(*root), 0);
    {
        Vault vault = Vault::open(place("vault")).value();
        EXPECT_EQ(window_.occurrences(*root), 1);
        ASSERT_TRUE(vault.change_protection(ByPassphrase{passphrase.reveal()}));
        ASSERT_TRUE(vault.rotate());
        EXPECT_EQ(window_.occurrences(*root), 1);
        ASSERT_TRUE(Vault::open(place("vault"), ByPassphrase{passphrase.reveal()}));
        EXPECT_EQ(window_.occurrences(*root), 1);
        ASSERT_TRUE(vault.forget_old());
        EXPECT_EQ(window_.occurrences(*root), 0);
    }
    EXPECT_EQ(window_.occurrences(passphrase), 0);
}

}  // namespace
}  // namespace casemate::kms
