// The signer of an image, as the command line names it.
#pragma once

#include <string>

#include "base/result.hpp"
#include "cli/output.hpp"
#include "eif/signing.hpp"

namespace casemate::cli {

// open_signer reads the certificate's file and finds the key: in an unencrypted PEM file; in a
// token where private_key is a PKCS #11 URI ("pkcs11:..."); in KMS where it is a key's ARN
// ("arn:aws:kms:..."). Errors: Errno for a file that can't be read; EifErrc bad_signature for a
// certificate that does not do; CryptoErrc for a key that does not; EifErrc signature_refused when
// they don't belong together; AwsErrc for a key in KMS.
[[nodiscard]] Result<eif::ImageSigner> open_signer(const std::string& certificate,
                                                   const std::string& private_key);

// warn_of_validity tells the user when the certificate would not let the image start now.
void warn_of_validity(const eif::ImageSigner& signer, Output& output);

}  // namespace casemate::cli
