#include "crypto/digest.hpp"

#include <openssl/evp.h>

#include "crypto/openssl.hpp"

namespace casemate::crypto {

namespace {

// algorithm is looked up once: EVP_sha256() and its like are looked up anew for each message, which
// costs more than hashing a short one.
template <std::size_t Size>
const EVP_MD* algorithm() {
    static_assert(Size == 32 || Size == 48 || Size == 64);
    constexpr const char* kName = Size == 32 ? "SHA256" : Size == 48 ? "SHA384" : "SHA512";
    static const Owned<EVP_MD, EVP_MD_free> fetched(EVP_MD_fetch(nullptr, kName, nullptr));
    require(fetched != nullptr, "find a digest");
    return fetched.get();
}

}  // namespace

template <std::size_t Size>
void Hasher<Size>::FreeContext::operator()(evp_md_ctx_st* context) const {
    EVP_MD_CTX_free(context);
}

template <std::size_t Size>
Hasher<Size>::Hasher() : context_(EVP_MD_CTX_new()) {
    require(context_ != nullptr, "make a digest context");
    require(EVP_DigestInit_ex(context_.get(), algorithm<Size>(), nullptr) == 1, "start a digest");
}

template <std::size_t Size>
Hasher<Size>::Hasher(const Hasher& other) : context_(EVP_MD_CTX_new()) {
    require(context_ != nullptr, "make a digest context");
    require(EVP_MD_CTX_copy_ex(context_.get(), other.context_.get()) == 1, "copy a digest");
}

template <std::size_t Size>
Hasher<Size>& Hasher<Size>::operator=(const Hasher& other) {
    if (this != &other) {
        *this = Hasher(other);
    }
    return *this;
}

template <std::size_t Size>
void Hasher<Size>::update(ByteView bytes) {
    require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "feed a digest");
}

template <std::size_t Size>
typename Hasher<Size>::Digest Hasher<Size>::finish() {
    Digest digest{};
    unsigned size = 0;
    require(EVP_DigestFinal_ex(context_.get(), digest.data(), &size) == 1 && size == Size,
            "finish a digest");
    require(EVP_DigestInit_ex(context_.get(), nullptr, nullptr) == 1, "start a digest");
    return digest;
}

template class Hasher<48>;
template class Hasher<32>;
template class Hasher<64>;

Digest384 sha384(ByteView bytes) {
    Sha384 hash;
    hash.update(bytes);
    return hash.finish();
}

Digest256 sha256(ByteView bytes) {
    Sha256 hash;
    hash.update(bytes);
    return hash.finish();
}

Digest384 extend_zero(ByteView bytes) {
    Sha384 hash;
    hash.update(Digest384{});
    hash.update(bytes);
    return hash.finish();
}

}  // namespace casemate::crypto
