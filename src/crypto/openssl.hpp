// What the files of this room share for talking to OpenSSL. No other room includes this header.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>

#include <memory>
#include <string>

#include "base/result.hpp"
#include "crypto/error.hpp"

namespace casemate::crypto {

// Free: deletes by one of OpenSSL's own X_free functions.
template <auto FreeFunction>
struct Free {
    template <class T>
    void operator()(T* object) const {
        FreeFunction(object);
    }
};

// Owned: an OpenSSL object and the function that frees it: Owned<X509, X509_free>.
template <class T, auto FreeFunction>
using Owned = std::unique_ptr<T, Free<FreeFunction>>;

using Bio = Owned<BIO, BIO_free_all>;

// free_openssl frees what OpenSSL allocated for its caller.
void free_openssl(unsigned char* memory);

// no_password is the callback that gives no password: an encrypted PEM block must not make OpenSSL
// ask the terminal for one.
int no_password(char* buffer, int size, int writing, void* user);

// openssl_error makes an Error of a sentence and every reason in OpenSSL's error queue of this
// thread, oldest first; the queue is empty afterwards, so that no reason is told twice.
[[nodiscard]] Error openssl_error(CryptoErrc code, std::string sentence);

// closed is the one error of every ciphertext that does not open; OpenSSL's reasons are forgotten,
// for they would tell an attacker how far his forgery got.
[[nodiscard]] Error closed();

// require ends the process when a call failed that only fails for want of memory or because the
// library is broken: going on with a wrong digest would be worse.
void require(bool succeeded, const char* what);

}  // namespace casemate::crypto
