// A private key that stays in AWS's KMS, or in one that speaks like it (casemate-kms).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "crypto/key.hpp"
#include "kms_client/exchange.hpp"
#include "sigv4/sign.hpp"

namespace casemate::cli {

// KmsKeyName: the parts of "arn:aws:kms:REGION:ACCOUNT:key/ID" (formats.md 1.8) that matter here.
struct KmsKeyName {
    std::string arn;
    std::string region;
};

// parse_kms_arn reads the ARN of a key: of one of AWS's partitions, a region, an account of twelve
// digits, and key/ID or, as nitro-cli has it, key:ID. Errors: AwsErrc bad_setting.
[[nodiscard]] Result<KmsKeyName> parse_kms_arn(std::string_view text);

// KmsKey: one key of elliptic curves, to sign with. Each question is a connection of its own.
class KmsKey {
public:
    // open finds KMS (AWS_ENDPOINT_URL_KMS, else AWS_ENDPOINT_URL, else AWS's own of the ARN's
    // region; trusted by kms_client::default_ca_file) and who asks (find_credentials), and asks
    // for the key's public half. Errors: AwsErrc; CryptoErrc for a key on no curve.
    [[nodiscard]] static Result<KmsKey> open(std::string_view arn);

    [[nodiscard]] const crypto::PublicKey& public_key() const { return public_key_; }

    // sign has KMS sign a digest of the curve's size and gives the signature in DER. Errors:
    // AwsErrc.
    [[nodiscard]] Result<Bytes> sign(ByteView digest) const;

private:
    KmsKey(KmsKeyName name, std::vector<kms_client::Service> services, sigv4::Credential credential,
           crypto::PublicKey key)
        : name_(std::move(name)),
          services_(std::move(services)),
          credential_(std::move(credential)),
          public_key_(std::move(key)) {}

    KmsKeyName name_;
    // services_: the same one at each of its addresses.
    std::vector<kms_client::Service> services_;
    sigv4::Credential credential_;
    crypto::PublicKey public_key_;
};

}  // namespace casemate::cli
