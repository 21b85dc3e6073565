// A client of KMS inside an enclave. What KMS would tell in the clear is asked for with an
// attestation document (formats.md 8), so that it comes encrypted for this enclave alone.
//
// Nothing in an encrypted answer says who made it: that it is KMS's is known by TLS, which ends
// here, and by nothing else. Whoever carries the bytes outside sees none of them, but may exchange
// one ciphertext for another that this enclave may decrypt too: an encryption context that says
// what a ciphertext is for, or the key's identifier, has KMS refuse that.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "base/secret.hpp"
#include "guest/kms/recipient.hpp"
#include "kms_client/address.hpp"
#include "kms_client/error.hpp"
#include "kms_client/exchange.hpp"
#include "kms_client/json.hpp"
#include "sigv4/sign.hpp"

namespace casemate::kms_client {

inline constexpr std::string_view kDefaultRegion = "us-east-1";

struct Options {
    std::string region{kDefaultRegion};
    // host: what the server's certificate must be for; empty: host_of(region).
    std::string host;
    Address address;
    // ca_file: the certificates, in PEM, of which one must vouch for the server; empty:
    // default_ca_file().
    std::string ca_file;
    // timeout: to connect and shake hands, and again for the exchange.
    std::chrono::milliseconds timeout{30000};
    // attest: absent: security_module().
    Attest attest;
};

// Parameters: what operations may be told. Empty texts and 0 are left out of requests.
struct Parameters {
    // key_id: an identifier, ARN or alias.
    std::string key_id = {};
    // algorithm of encryption or of key agreement.
    std::string algorithm = {};
    // key_spec: AES_256 or AES_128 of a data key, or a pair's: RSA_2048, ECC_NIST_P256, …
    std::string key_spec = {};
    // number_of_bytes: of a data key instead of key_spec, or of random bytes.
    std::uint32_t number_of_bytes = 0;
    Context context = {};
    std::vector<std::string> grant_tokens = {};
};

// Answer: what KMS answered.
struct Answer {
    // secret: what came encrypted for this enclave, opened; empty where there was none.
    SecretBytes secret;
    // json: the whole answer, and its texts by their names.
    std::string json;
    Fields fields;
    std::string request_id;
};

// Client: safe to use from several threads. Each call makes a connection of its own. It has one RSA
// key (Recipient) for its lifetime and asks for a new document with each call.
class Client {
public:
    // create reads the CA file; nothing is connected yet. Errors: bad_argument.
    [[nodiscard]] static Result<std::unique_ptr<Client>> create(Options options,
                                                                sigv4::Credential credential);

    // set_credential is for temporary credentials, which expire: calls that begin later use it.
    void set_credential(sigv4::Credential credential);

    // The operations. decrypt takes key_id, algorithm, context; generate_data_key key_id, context
    // and either key_spec or number_of_bytes; generate_data_key_pair key_id, context, key_spec;
    // generate_random number_of_bytes; derive_shared_secret key_id, algorithm (ECDH where it is
    // empty) and the other side's public key in DER; encrypt key_id, algorithm, context. All but
    // generate_random take grant_tokens.
    //
    // Answer::secret is the plaintext, the data key, the private key (PKCS #8, DER), the random
    // bytes, the raw shared secret; encrypt has none. Failures: KMS's own; each of ClientErrc.
    [[nodiscard]] Outcome<Answer> decrypt(ByteView ciphertext, const Parameters& parameters);
    [[nodiscard]] Outcome<Answer> generate_data_key(const Parameters& parameters);
    [[nodiscard]] Outcome<Answer> generate_data_key_pair(const Parameters& parameters);
    [[nodiscard]] Outcome<Answer> generate_random(const Parameters& parameters);
    [[nodiscard]] Outcome<Answer> derive_shared_secret(ByteView public_key,
                                                       const Parameters& parameters);
    [[nodiscard]] Outcome<Answer> encrypt(ByteView plaintext, const Parameters& parameters);

    // call is any operation by its name with a request in JSON. The first five of those above get
    // their Recipient here: no call of this client asks for a plaintext in the clear. The same
    // failures.
    [[nodiscard]] Outcome<Answer> call(std::string_view operation, std::string_view request);

private:
    Client(Service service, Attest attest, sigv4::Credential credential);

    [[nodiscard]] Outcome<Answer> ask(std::string_view operation, ObjectWriter& request);
    [[nodiscard]] Outcome<Answer> ask_for(std::size_t size, std::string_view operation,
                                          ObjectWriter& request);
    [[nodiscard]] Result<std::string> addressed(std::string_view request);

    Service service_;
    Recipient recipient_;
    mutable std::mutex mutex_;
    std::shared_ptr<const sigv4::Credential> credential_;
};

}  // namespace casemate::kms_client
