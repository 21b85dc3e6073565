// What is parsed keeps every limit of formats.md 2.4 and 2.6, is the same with the message's tag
// and without, and, written again in AWS's order of keys, is parsed as the same.
#include <cstdlib>

#include "attestation/document.hpp"
#include "codec/cbor/cbor.hpp"
#include "codec/cose.hpp"

namespace {

using casemate::Bytes;
using casemate::ByteView;
using casemate::attestation::Contents;
using casemate::attestation::parse_document;
using casemate::attestation::UnverifiedDocument;
using casemate::cbor::Writer;
namespace attestation = casemate::attestation;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void require_limits(const UnverifiedDocument& document) {
    const Contents& contents = document.contents;
    require(!contents.module_id.empty() && contents.module_id.size() <= attestation::kMaxField);
    require(contents.timestamp > attestation::Time{} &&
            contents.timestamp <= attestation::kLastTime);
    require(!contents.pcrs.empty() && contents.pcrs.rbegin()->first < attestation::kPcrCount);
    require(!document.cabundle.empty() && document.cabundle.size() <= attestation::kMaxBundle);
    require(!document.certificate.empty() &&
            document.certificate.size() <= attestation::kMaxCertificate);
    for (const Bytes& der : document.cabundle) {
        require(!der.empty() && der.size() <= attestation::kMaxCertificate);
    }
    for (const auto& field : {contents.public_key, contents.user_data, contents.nonce}) {
        require(!field || field->size() <= attestation::kMaxField);
    }
    require(document.signature.size() == 96);
}

void put_optional(Writer& writer, std::string_view key, const std::optional<Bytes>& field) {
    writer.put_text(key);
    if (field) {
        writer.put_bytes(*field);
    } else {
        writer.put_null();
    }
}

Bytes write(const UnverifiedDocument& document) {
    const Contents& contents = document.contents;
    Bytes payload;
    Writer writer(payload);
    writer.begin_map(9);
    writer.put_text("module_id");
    writer.put_text(contents.module_id);
    writer.put_text("digest");
    writer.put_text("SHA384");
    writer.put_text("timestamp");
    writer.put_uint(static_cast<std::uint64_t>(contents.timestamp.time_since_epoch().count()));
    writer.put_text("pcrs");
    writer.begin_map(contents.pcrs.size());
    for (const auto& [index, value] : contents.pcrs) {
        writer.put_uint(index);
        writer.put_bytes(value);
    }
    writer.put_text("certificate");
    writer.put_bytes(document.certificate);
    writer.put_text("cabundle");
    writer.begin_array(document.cabundle.size());
    for (const Bytes& der : document.cabundle) {
        writer.put_bytes(der);
    }
    put_optional(writer, "public_key", contents.public_key);
    put_optional(writer, "user_data", contents.user_data);
    put_optional(writer, "nonce", contents.nonce);
    return casemate::cose::encode_sign1(casemate::cose::kEs384, payload, document.signature);
}

void require_same(const UnverifiedDocument& a, const UnverifiedDocument& b) {
    require(a.contents.module_id == b.contents.module_id);
    require(a.contents.timestamp == b.contents.timestamp);
    require(a.contents.pcrs == b.contents.pcrs);
    require(a.contents.public_key == b.contents.public_key);
    require(a.contents.user_data == b.contents.user_data);
    require(a.contents.nonce == b.contents.nonce);
    require(a.certificate == b.certificate);
    require(a.cabundle == b.cabundle);
    require(a.signature == b.signature);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto parsed = parse_document(ByteView(data, size));
    if (!parsed) {
        require(parsed.error().code_as<attestation::AttestationErrc>().has_value());
        return 0;
    }
    require_limits(*parsed);
    const auto again = parse_document(write(*parsed));
    require(again.ok());
    require_same(*parsed, *again);
    constexpr std::uint8_t kTag = 0xd2;
    Bytes other(data, data + size);
    if (other.front() == kTag) {
        other.erase(other.begin());
    } else if (other.size() < attestation::kMaxDocument) {
        other.insert(other.begin(), kTag);
    }
    const auto retagged = parse_document(other);
    require(retagged.ok());
    require(retagged->signed_bytes == parsed->signed_bytes);
    return 0;
}
