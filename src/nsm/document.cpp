#include "nsm/document.hpp"

#include "codec/cbor/cbor.hpp"
#include "codec/cose.hpp"

namespace casemate::nsm {

namespace {

// More than what a payload has besides its registers, certificates and fields: keys, heads, the
// module's name.
constexpr std::size_t kFrame = 512;
constexpr std::size_t kRegister = 64;

// One allocation instead of the dozen that appending would make.
std::size_t estimate(const Statement& statement) {
    std::size_t size = kFrame + statement.pcrs.size() * kRegister + statement.certificate.size();
    for (const Bytes& one : statement.bundle) {
        size += one.size();
    }
    for (const auto& field : {statement.public_key, statement.user_data, statement.nonce}) {
        size += field ? field->size() : 0;
    }
    return size;
}

void put_optional(cbor::Writer& writer, const std::optional<ByteView>& field) {
    if (field) {
        writer.put_bytes(*field);
    } else {
        writer.put_null();
    }
}

}  // namespace

Bytes encode_statement(const Statement& statement) {
    Bytes payload;
    payload.reserve(estimate(statement));
    cbor::Writer writer(payload);
    writer.begin_map(9);
    writer.put_text("module_id");
    writer.put_text(statement.module_id);
    writer.put_text("digest");
    writer.put_text("SHA384");
    writer.put_text("timestamp");
    writer.put_uint(statement.timestamp_ms);
    writer.put_text("pcrs");
    writer.begin_map(statement.pcrs.size());
    for (const auto& [index, value] : statement.pcrs) {
        writer.put_uint(index);
        writer.put_bytes(value);
    }
    writer.put_text("certificate");
    writer.put_bytes(statement.certificate);
    writer.put_text("cabundle");
    writer.begin_array(statement.bundle.size());
    for (const Bytes& one : statement.bundle) {
        writer.put_bytes(one);
    }
    writer.put_text("public_key");
    put_optional(writer, statement.public_key);
    writer.put_text("user_data");
    put_optional(writer, statement.user_data);
    writer.put_text("nonce");
    put_optional(writer, statement.nonce);
    return payload;
}

Result<Bytes> sign_document(const Statement& statement, const crypto::PrivateKey& key) {
    const Bytes payload = encode_statement(statement);
    const Bytes header = cose::protected_header(cose::kEs384);
    CASEMATE_TRY(const Bytes signature, key.sign(cose::sig_structure(header, payload)));
    return cose::encode_sign1(cose::kEs384, payload, signature);
}

}  // namespace casemate::nsm
