#include "crypto/openssl.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>

namespace casemate::crypto {

std::string_view describe(CryptoErrc code) {
    switch (code) {
        case CryptoErrc::bad_encoding:
            return "bad encoding";
        case CryptoErrc::library_failure:
            return "cryptographic library failure";
        case CryptoErrc::token_failure:
            return "token failure";
        case CryptoErrc::out_of_range:
            return "out of range";
        case CryptoErrc::not_opened:
            return "not opened";
    }
    return "unknown";
}

void free_openssl(unsigned char* memory) {
    OPENSSL_free(memory);
}

int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*user*/) {
    return -1;
}

Error openssl_error(CryptoErrc code, std::string sentence) {
    const char* separator = " (";
    while (const unsigned long reason = ERR_get_error()) {
        std::array<char, 256> text{};
        ERR_error_string_n(reason, text.data(), text.size());
        sentence += separator;
        sentence += text.data();
        separator = "; ";
    }
    if (separator[0] == ';') {
        sentence += ')';
    }
    return Error(code, std::move(sentence));
}

Error closed() {
    ERR_clear_error();
    return Error(CryptoErrc::not_opened, "the ciphertext does not open with this key");
}

void require(bool succeeded, const char* what) {
    if (!succeeded) {
        std::fprintf(stderr, "%s\n",
                     openssl_error(CryptoErrc::library_failure, what).message().c_str());
        std::abort();
    }
}

}  // namespace casemate::crypto
