// Signing images, and judging their signatures (formats.md 1.8).
#pragma once

#include <functional>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/certificate.hpp"
#include "crypto/digest.hpp"
#include "crypto/key.hpp"
#include "eif/builder.hpp"

namespace casemate::eif {

// DigestSigner signs a digest, of the size that the certificate's curve wants (crypto::digest_for),
// by ECDSA and gives the signature in DER. It may stand for a key anywhere: in memory, in a token,
// in a service.
using DigestSigner = std::function<Result<Bytes>(ByteView digest)>;

// ImageSigner: a certificate and what signs for it.
class ImageSigner {
public:
    // create takes the certificate's file as it is: it becomes part of each image. Its first
    // certificate is the signer's. Errors: EifErrc bad_signature when there is none, its key is not
    // on P-256, P-384 or P-521, the file holds a private key, or it is too long for the section.
    [[nodiscard]] static Result<ImageSigner> create(Bytes certificate_pem, DigestSigner sign);

    [[nodiscard]] const crypto::Certificate& certificate() const { return certificate_; }
    [[nodiscard]] const crypto::PublicKey& public_key() const { return public_key_; }

    // sign gives the data of the signature section of an image with this PCR0. Errors: EifErrc
    // signature_refused when the signature is not the certificate's key's; what the DigestSigner
    // gives.
    [[nodiscard]] Result<Bytes> sign(const crypto::Digest384& pcr0) const;

private:
    ImageSigner(Bytes pem, crypto::Certificate certificate, crypto::PublicKey key,
                DigestSigner sign);

    Bytes certificate_pem_;
    crypto::Certificate certificate_;
    crypto::PublicKey public_key_;
    DigestSigner sign_;
};

// verify_signature tells whose signature is on an image with this PCR0, which the caller has
// measured. Of the message only the signature itself is used: the rest is made anew of pcr0 and the
// certificate's key, and has to be the same. Nobody vouches for the certificate, and its time is
// not looked at. Errors: EifErrc bad_signature when the section, its certificate or its message
// can't be read; signature_refused when the message is about another register or value, of another
// algorithm, or not signed by the certificate's key.
[[nodiscard]] Result<crypto::Certificate> verify_signature(ByteView section,
                                                           const crypto::Digest384& pcr0);

// check_validity: the certificate has begun and has not ended. Errors: EifErrc signature_refused;
// CryptoErrc bad_encoding when its times can't be read.
[[nodiscard]] Result<> check_validity(const crypto::Certificate& certificate, crypto::Seconds now);

// certificate_register is PCR8 of images that this certificate signs (formats.md 1.6).
[[nodiscard]] crypto::Digest384 certificate_register(const crypto::Certificate& certificate);

// CopyProgress is told how many bytes of an image have been copied; an error of it ends the
// copying.
using CopyProgress = std::function<Result<>(std::uint64_t done, std::uint64_t total)>;

// copy_signed writes the image in the seekable file image to out, an empty file open for writing,
// with a signature by signer behind its other sections and without the one it had. What is signed
// and measured is what was copied. Errors: those of read_index, Builder and ImageSigner; EifErrc
// wrong_crc for a damaged image; what progress gives.
[[nodiscard]] Result<Builder::Built> copy_signed(int image, int out, const ImageSigner& signer,
                                                 const CopyProgress& progress);

}  // namespace casemate::eif
