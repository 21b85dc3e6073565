#include "crypto/kdf.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string>

#include "crypto/mac.hpp"
#include "crypto/openssl.hpp"

namespace casemate::crypto {

namespace {

constexpr std::size_t kHashSize = 32;
constexpr std::size_t kMaxHkdfSize = 255 * kHashSize;
constexpr std::size_t kMaxScryptSize = 1024;
constexpr std::uint64_t kBlockUnit = 128;

using Kdf = Owned<EVP_KDF, EVP_KDF_free>;
using KdfContext = Owned<EVP_KDF_CTX, EVP_KDF_CTX_free>;

// OpenSSL's parameters point to what is not const, and is only read; no bytes still need an
// address, or they would count as absent.
OSSL_PARAM octets(const char* name, ByteView bytes) {
    static std::uint8_t nothing = 0;
    auto* const data = bytes.empty() ? &nothing : const_cast<std::uint8_t*>(bytes.data());
    return OSSL_PARAM_construct_octet_string(name, data, bytes.size());
}

KdfContext make_context(const char* name) {
    const Kdf kdf(EVP_KDF_fetch(nullptr, name, nullptr));
    KdfContext context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
    require(context != nullptr, "find a key derivation");
    return context;
}

Error bad_size(std::size_t most, std::size_t found) {
    return Error(CryptoErrc::out_of_range, "expected 1 to " + std::to_string(most) +
                                               " bytes to derive, found " + std::to_string(found));
}

Result<> check_cost(const ScryptCost& cost) {
    if (cost.n < 2 || !std::has_single_bit(cost.n) || cost.block_size == 0 ||
        cost.parallelism == 0 || cost.parallelism > kMaxScryptParallelism) {
        return Error(CryptoErrc::out_of_range,
                     "expected as scrypt's cost a power of two from 2, a block size from 1 and a "
                     "parallelism of 1 to " +
                         std::to_string(kMaxScryptParallelism) + ", found another");
    }
    const auto block = checked_multiply<std::uint64_t>(kBlockUnit, cost.block_size);
    // One block a lane and two more beside the large table.
    const auto blocks = checked_add<std::uint64_t>(cost.n, cost.parallelism + 2UL);
    const auto memory = blocks ? checked_multiply(*block, *blocks) : std::nullopt;
    if (!memory || *memory > kMaxScryptMemory) {
        return Error(CryptoErrc::out_of_range, "expected a cost of scrypt of at most " +
                                                   std::to_string(kMaxScryptMemory) +
                                                   " bytes of memory, found more");
    }
    return {};
}

}  // namespace

// HKDF is put together from HMAC, whose context each thread keeps: OpenSSL's own looks its parts up
// by their names each time, which takes longer than all the hashing.
Result<SecretBytes> hkdf_sha256(const SecretBytes& key, ByteView salt, ByteView info,
                                std::size_t size) {
    if (size == 0 || size > kMaxHkdfSize) {
        return bad_size(kMaxHkdfSize, size);
    }
    const SecretBytes extracted = hmac(MacAlgorithm::hmac_sha256, salt, key.view());
    SecretBytes derived(size);
    // What each block's code is made of: the block before it, info, and its number from 1.
    SecretBytes message(kHashSize + info.size() + 1);
    const MutableBytes whole = message.mutable_view();
    std::copy(info.begin(), info.end(), whole.begin() + kHashSize);
    std::size_t done = 0;
    for (std::uint8_t number = 1; done < size; ++number) {
        whole.back() = number;
        const SecretBytes block = hmac(MacAlgorithm::hmac_sha256, extracted.view(),
                                       done == 0 ? ByteView(whole).subspan(kHashSize) : whole);
        const std::size_t taken = std::min(kHashSize, size - done);
        std::copy_n(block.view().begin(), taken,
                    derived.mutable_view().begin() + static_cast<std::ptrdiff_t>(done));
        std::copy_n(block.view().begin(), kHashSize, whole.begin());
        done += taken;
    }
    return derived;
}

Result<SecretBytes> scrypt(const SecretBytes& passphrase, ByteView salt, const ScryptCost& cost,
                           std::size_t size) {
    if (size == 0 || size > kMaxScryptSize) {
        return bad_size(kMaxScryptSize, size);
    }
    CASEMATE_CHECK(check_cost(cost));
    const KdfContext context = make_context("SCRYPT");
    ScryptCost given = cost;
    std::uint64_t limit = kMaxScryptMemory;
    const std::array<OSSL_PARAM, 7> parameters = {
        octets(OSSL_KDF_PARAM_PASSWORD, passphrase.view()),
        octets(OSSL_KDF_PARAM_SALT, salt),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &given.n),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &given.block_size),
        OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &given.parallelism),
        OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &limit),
        OSSL_PARAM_construct_end()};
    SecretBytes derived(size);
    if (EVP_KDF_derive(context.get(), derived.mutable_view().data(), size, parameters.data()) !=
        1) {
        return openssl_error(CryptoErrc::library_failure, "scrypt failed");
    }
    return derived;
}

}  // namespace casemate::crypto
