#include "eif/signing.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/fd.hpp"
#include "codec/cbor/cbor.hpp"
#include "codec/cose.hpp"
#include "eif/crc.hpp"
#include "eif/reader.hpp"
#include "eif/signature.hpp"

namespace casemate::eif {

namespace {

constexpr std::size_t kBufferSize = 1UL << 20U;

Error unreadable(std::string sentence) {
    return Error(EifErrc::bad_signature, std::move(sentence));
}

Error refused(std::string sentence) {
    return Error(EifErrc::signature_refused, std::move(sentence));
}

std::int64_t algorithm_of(crypto::Curve curve) {
    switch (curve) {
        case crypto::Curve::p256:
            return cose::kEs256;
        case crypto::Curve::p384:
            return cose::kEs384;
        case crypto::Curve::p521:
            return cose::kEs512;
        case crypto::Curve::other:
            break;
    }
    return 0;
}

// payload_of is AWS's PcrInfo of register 0.
Bytes payload_of(const crypto::Digest384& pcr0) {
    Bytes payload;
    cbor::Writer writer(payload);
    writer.begin_map(2);
    writer.put_text("register_index");
    writer.put_uint(0);
    writer.put_text("register_value");
    writer.begin_array(pcr0.size());
    for (const std::uint8_t byte : pcr0) {
        writer.put_uint(byte);
    }
    return payload;
}

// SignedBytes: what a key of this curve signs of an image.
struct SignedBytes {
    std::int64_t algorithm;
    Bytes payload;
    Bytes structure;

    SignedBytes(crypto::Curve curve, const crypto::Digest384& pcr0)
        : algorithm(algorithm_of(curve)),
          payload(payload_of(pcr0)),
          structure(cose::sig_structure(cose::protected_header(algorithm), payload)) {}
};

struct Identity {
    crypto::Certificate certificate;
    crypto::PublicKey key;
};

Result<Identity> read_identity(ByteView certificate_pem) {
    auto certificate = crypto::Certificate::from_pem(certificate_pem);
    if (!certificate) {
        return unreadable("signing certificate: " + certificate.error().message());
    }
    auto key = certificate->public_key();
    if (!key) {
        return unreadable("signing certificate's key: " + key.error().message());
    }
    if (key->curve() == crypto::Curve::other) {
        return unreadable(
            "expected a signing certificate with a key on P-256, P-384 or P-521, found one with "
            "another kind of key");
    }
    return Identity{std::move(*certificate), std::move(*key)};
}

Result<> check_message(const crypto::PublicKey& key, ByteView message,
                       const crypto::Digest384& pcr0) {
    const auto parsed = cose::parse_sign1(message);
    if (!parsed) {
        return unreadable("COSE_Sign1: " + parsed.error().message());
    }
    const SignedBytes expected(key.curve(), pcr0);
    if (parsed->algorithm != expected.algorithm) {
        return refused("expected COSE algorithm " + std::to_string(expected.algorithm) +
                       " of the signing certificate's key, found " +
                       std::to_string(parsed->algorithm));
    }
    if (!std::ranges::equal(parsed->payload, expected.payload)) {
        return refused("expected a signature over PCR0 = " + to_hex(pcr0) +
                       " of this image, found one over something else");
    }
    const Bytes again = cose::encode_sign1(expected.algorithm, expected.payload, parsed->signature);
    if (!std::ranges::equal(message, again)) {
        return refused("expected an untagged COSE_Sign1 in its shortest form, found another form");
    }
    if (!key.verifies(expected.structure, parsed->signature)) {
        return refused(
            "expected a signature by the signing certificate's key, found one that it did not "
            "make");
    }
    return {};
}

// Copy: one image on its way into a builder, with the checksum of what has been read.
class Copy {
public:
    Copy(int image, const Index& index, Builder& builder, const CopyProgress& progress)
        : image_(image),
          builder_(builder),
          progress_(progress),
          buffer_(kBufferSize),
          crc_(crc32(0, ByteView(encode_header(index)).first(kCrcOffset))) {
        for (const Section& section : index.sections) {
            total_ += section.size;
        }
    }

    Result<> take(const Section& section) {
        const bool wanted = section.type != SectionType::signature;
        if (wanted) {
            CASEMATE_CHECK(builder_.begin(section.type));
        }
        crc_ = crc32(crc_, encode_section_header(section));
        for (std::uint64_t at = 0; at < section.size;) {
            const std::uint64_t size = std::min<std::uint64_t>(kBufferSize, section.size - at);
            const auto piece = MutableBytes(buffer_).first(static_cast<std::size_t>(size));
            CASEMATE_CHECK(read_exactly_at(image_, section.data_offset + at, piece));
            crc_ = crc32(crc_, piece);
            if (wanted) {
                CASEMATE_CHECK(builder_.write(piece));
            }
            at += size;
            done_ += size;
            CASEMATE_CHECK(progress_(done_, total_));
        }
        return {};
    }

    [[nodiscard]] std::uint32_t crc() const { return crc_; }

private:
    int image_;
    Builder& builder_;
    const CopyProgress& progress_;
    Bytes buffer_;
    std::uint32_t crc_;
    std::uint64_t done_ = 0;
    std::uint64_t total_ = 0;
};

std::string hex(std::uint32_t value) {
    Bytes bytes;
    ByteWriter(bytes).put_be(value);
    return to_hex(bytes);
}

}  // namespace

ImageSigner::ImageSigner(Bytes pem, crypto::Certificate certificate, crypto::PublicKey key,
                         DigestSigner sign)
    : certificate_pem_(std::move(pem)),
      certificate_(std::move(certificate)),
      public_key_(std::move(key)),
      sign_(std::move(sign)) {
}

Result<ImageSigner> ImageSigner::create(Bytes certificate_pem, DigestSigner sign) {
    // Everything in the file is published with the image.
    if (as_text(certificate_pem).find("PRIVATE KEY-----") != std::string_view::npos) {
        return unreadable(
            "expected certificates alone in the signing certificate's file, found a private key, "
            "which each image would show");
    }
    CASEMATE_TRY(Identity identity, read_identity(certificate_pem));
    // The longest message: every byte of the values in two, and less than 100 of structure.
    const std::size_t signature = crypto::signature_size(identity.key.curve());
    const SignedBytes example(identity.key.curve(), {});
    const Bytes longest(example.payload.size() + crypto::Digest384().size() + signature + 100,
                        0xff);
    if (certificate_pem.size() > kMaxSignatureSize ||
        encode_signature({certificate_pem, longest}).size() > kMaxSignatureSize) {
        return unreadable("expected a signing certificate's file that fits the " +
                          std::to_string(kMaxSignatureSize) +
                          " bytes of a signature section, found one of " +
                          std::to_string(certificate_pem.size()));
    }
    return ImageSigner(std::move(certificate_pem), std::move(identity.certificate),
                       std::move(identity.key), std::move(sign));
}

Result<Bytes> ImageSigner::sign(const crypto::Digest384& pcr0) const {
    const crypto::Curve curve = public_key_.curve();
    const SignedBytes what(curve, pcr0);
    CASEMATE_TRY(const Bytes der, sign_(crypto::digest_for(curve, what.structure)));
    CASEMATE_TRY(const Bytes raw, crypto::raw_signature(curve, der));
    Signature signature;
    signature.certificate_pem = certificate_pem_;
    signature.cose_sign1 = cose::encode_sign1(what.algorithm, what.payload, raw);
    Bytes section = encode_signature(signature);
    // A key that is not the certificate's would make an image that nobody starts.
    CASEMATE_TRY(const crypto::Certificate checked, verify_signature(section, pcr0));
    static_cast<void>(checked);
    return section;
}

Result<crypto::Certificate> verify_signature(ByteView section, const crypto::Digest384& pcr0) {
    CASEMATE_TRY(const Signature signature, parse_signature(section));
    CASEMATE_TRY(Identity identity, read_identity(signature.certificate_pem));
    CASEMATE_CHECK(check_message(identity.key, signature.cose_sign1, pcr0));
    return std::move(identity.certificate);
}

Result<> check_validity(const crypto::Certificate& certificate, crypto::Seconds now) {
    CASEMATE_TRY(const crypto::CertificateFields fields, certificate.fields());
    if (now >= fields.not_before && now <= fields.not_after) {
        return {};
    }
    CASEMATE_TRY(const crypto::CertificateText text, certificate.text());
    return refused("expected a signing certificate that is valid now, found one " +
                   (now < fields.not_before ? "that begins on " + text.not_before
                                            : "that ended on " + text.not_after));
}

crypto::Digest384 certificate_register(const crypto::Certificate& certificate) {
    return crypto::extend_zero(crypto::sha384(certificate.der()));
}

Result<Builder::Built> copy_signed(int image, int out, const ImageSigner& signer,
                                   const CopyProgress& progress) {
    CASEMATE_TRY(const Index index, read_index(image));
    CASEMATE_TRY(Builder builder, Builder::create(out, index.header));
    Copy copy(image, index, builder, progress);
    for (const Section& section : index.sections) {
        CASEMATE_CHECK(copy.take(section));
    }
    if (copy.crc() != index.header.crc) {
        return Error(EifErrc::wrong_crc, "expected CRC " + hex(index.header.crc) +
                                             " as in the header, found " + hex(copy.crc()) +
                                             ": the image is damaged");
    }
    return builder.finish([&](const crypto::Digest384& pcr0) { return signer.sign(pcr0); });
}

}  // namespace casemate::eif
