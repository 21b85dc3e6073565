#include <fcntl.h>

#include <map>

#include "base/fd.hpp"
#include "cli/json_table.hpp"
#include "cli/measurements_json.hpp"
#include "cli/verbs.hpp"
#include "crypto/certificate.hpp"
#include "eif/reader.hpp"
#include "eif/signature.hpp"
#include "eif/signing.hpp"

namespace casemate::cli {

namespace {

Result<Json> certificate_json(ByteView section) {
    CASEMATE_TRY(const eif::Signature signature, eif::parse_signature(section));
    CASEMATE_TRY(const auto certificate, crypto::Certificate::from_pem(signature.certificate_pem));
    CASEMATE_TRY(const auto text, certificate.text());
    // As nitro-cli's: in the order of the names.
    Json issuer = Json::object();
    for (const auto& [key, value] : std::map(text.issuer.begin(), text.issuer.end())) {
        issuer.add(key, value);
    }
    Json json = Json::object();
    json.add("IssuerName", std::move(issuer));
    json.add("Algorithm", text.signature_algorithm);
    json.add("NotBefore", text.not_before);
    json.add("NotAfter", text.not_after);
    json.add("Signature", text.signature);
    return json;
}

Result<> add_image_metadata(int fd, const eif::Index& index, Json& json) {
    const eif::Section* section = index.find(eif::SectionType::metadata);
    if (section == nullptr) {
        return {};
    }
    CASEMATE_TRY(const Bytes bytes, eif::read_section(fd, *section, eif::kMaxMetadataSize));
    CASEMATE_TRY(const eif::Metadata metadata, eif::parse_metadata(bytes));
    return add_metadata(json, metadata);
}

Result<Json> describe_image(int fd, Output& output) {
    CASEMATE_TRY(const eif::Index index, eif::read_index(fd));
    CASEMATE_TRY(const eif::Measured measured,
                 eif::measure(fd, index, [&](std::uint64_t done, std::uint64_t total) {
                     output.progress("Measuring", done, total);
                 }));
    std::optional<Bytes> signature;
    if (const eif::Section* section = index.find(eif::SectionType::signature)) {
        CASEMATE_TRY(signature, eif::read_section(fd, *section, eif::kMaxSignatureSize));
    }
    Json json = Json::object();
    json.add("EifVersion", index.header.version);
    json.add("Measurements", measurements_json(measured.measurements));
    json.add("IsSigned", signature.has_value());
    if (signature) {
        CASEMATE_TRY(Json certificate, certificate_json(*signature));
        json.add("SigningCertificate", std::move(certificate));
    }
    json.add("CheckCRC", measured.crc_matches);
    if (signature) {
        json.add("SignatureCheck",
                 eif::verify_signature(*signature, measured.measurements.pcr0).ok());
    }
    CASEMATE_CHECK(add_image_metadata(fd, index, json));
    return json;
}

}  // namespace

int describe_eif(const DescribeEifArguments& arguments, Output& output) {
    output.set_action("Describe EIF");
    const auto fd = open_file(arguments.eif_path, O_RDONLY);
    if (!fd) {
        return output.fail(ErrorCode::eif_parsing, fd.error());
    }
    const auto json = describe_image(fd->get(), output);
    if (!json) {
        return output.fail(ErrorCode::eif_parsing,
                           arguments.eif_path + ": " + json.error().message());
    }
    return arguments.table ? output.text(json_table(*json)) : output.result(*json);
}

}  // namespace casemate::cli
