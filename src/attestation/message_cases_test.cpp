#include "attestation/testing/cases.hpp"

namespace casemate::attestation::forger {

namespace {

using enum AttestationErrc;

// with_message: the whole document is made otherwise out of its four elements.
auto with_elements(std::function<void(std::vector<Bytes>&)> edit) {
    return [edit](Forgery& forgery) {
        forgery.edit_message = [edit](Bytes& message) {
            auto reader = must(cbor::Reader::open(message));
            auto array = must(reader.read_array());
            std::vector<Bytes> parts;
            while (array.remaining() > 0) {
                const ByteView part = must(array.read_encoded());
                parts.emplace_back(part.begin(), part.end());
            }
            edit(parts);
            message = array_item(parts);
        };
    };
}

auto with_message(std::function<void(Bytes&)> edit) {
    return [edit](Forgery& forgery) { forgery.edit_message = edit; };
}

auto with_header(Bytes header) {
    return [header](Forgery& forgery) { forgery.protected_header = header; };
}

auto with_signature(std::function<void(Bytes&)> edit) {
    return [edit](Forgery& forgery) { forgery.edit_signature = edit; };
}

auto with_payload(std::function<void(Bytes&)> edit) {
    return [edit](Forgery& forgery) { forgery.edit_payload = edit; };
}

auto with_pairs(std::function<void(std::vector<Pair>&)> edit) {
    return [edit](Forgery& forgery) { forgery.edit_pairs = edit; };
}

auto with_value(const std::string& key, Bytes value) {
    return with_pairs([key, value](std::vector<Pair>& pairs) { value_of(pairs, key) = value; });
}

auto without(const std::string& key) {
    return with_pairs([key](std::vector<Pair>& pairs) {
        std::erase_if(pairs, [&](const Pair& pair) { return pair.first == text_item(key); });
    });
}

auto with_pcr(Bytes index, Bytes value) {
    return with_value("pcrs", map_item({{std::move(index), std::move(value)}}));
}

Bytes raw(std::initializer_list<int> bytes) {
    Bytes out;
    for (const int byte : bytes) {
        out.push_back(static_cast<std::uint8_t>(byte));
    }
    return out;
}

Bytes text_of(std::size_t size) {
    return text_item(std::string(size, 'm'));
}

Bytes bytes_of(std::size_t size) {
    return bytes_item(Bytes(size, 0x5a));
}

Bytes many_pcrs(std::size_t count) {
    std::vector<Pair> pcrs;
    for (std::size_t index = 0; index < count; ++index) {
        pcrs.emplace_back(uint_item(index), bytes_of(kPcrSize));
    }
    return map_item(pcrs);
}

// wide writes an unsigned integer in nine bytes.
Bytes wide(std::uint64_t value) {
    Bytes out{0x1b};
    ByteWriter(out).put_be(value);
    return out;
}

std::vector<Case> cbor_cases() {
    const auto append = [](Bytes& bytes) { bytes.push_back(0); };
    const auto cut = [](Bytes& bytes) { bytes.pop_back(); };
    const auto clear = [](Bytes& bytes) { bytes.clear(); };
    return {
        {"empty_document", not_cbor, "strict CBOR", with_message(clear)},
        {"document_cut", not_cbor, "strict CBOR", with_message(cut)},
        {"document_trailing_byte", not_cbor, "after the item", with_message(append)},
        {"document_indefinite_array", not_cbor, "indefinite", with_message([](Bytes& message) {
             message[0] = 0x9f;
             message.push_back(0xff);
         })},
        {"document_array_head_not_shortest", not_cbor, "shortest", with_message([](Bytes& message) {
             message[0] = 0x98;
             message.insert(message.begin() + 1, 4);
         })},
        {"document_payload_head_not_shortest", not_cbor, "shortest",
         with_message([](Bytes& message) {
             replace(message, {0xa0, 0x59}, {0xa0, 0x5a, 0, 0});
         })},
        {"document_indefinite_unprotected", not_cbor, "indefinite",
         with_elements([](std::vector<Bytes>& parts) {
             parts[1] = raw({0xbf, 0xff});
         })},
        {"document_is_text", not_cbor, "strict CBOR", with_message([](Bytes& message) {
             const ByteView text = as_bytes("-----BEGIN");
             message.assign(text.begin(), text.end());
         })},
        {"payload_empty", payload_not_cbor, "strict CBOR", with_payload(clear)},
        {"payload_cut", payload_not_cbor, "strict CBOR", with_payload(cut)},
        {"payload_trailing_byte", payload_not_cbor, "after the item", with_payload(append)},
        {"payload_indefinite_map", payload_not_cbor, "indefinite", with_payload([](Bytes& payload) {
             payload[0] = 0xbf;
             payload.push_back(0xff);
         })},
        {"payload_indefinite_bytes", payload_not_cbor, "indefinite",
         with_value("nonce", raw({0x5f, 0x41, 0x01, 0xff}))},
        {"payload_indefinite_text", payload_not_cbor, "indefinite",
         with_value("module_id", raw({0x7f, 0x61, 'i', 0xff}))},
        {"payload_indefinite_bundle", payload_not_cbor, "indefinite",
         with_value("cabundle", raw({0x9f, 0x41, 0x01, 0xff}))},
        {"payload_timestamp_not_shortest", payload_not_cbor, "shortest",
         with_value("timestamp", wide(1'790'000))},
        {"payload_pcr_index_not_shortest", payload_not_cbor, "shortest",
         with_pcr(raw({0x18, 0x01}), bytes_of(kPcrSize))},
        {"payload_head_not_shortest", payload_not_cbor, "shortest",
         with_payload([](Bytes& payload) {
             payload[0] = 0xb8;
             payload.insert(payload.begin() + 1, 9);
         })},
        {"payload_key_twice", payload_not_cbor, "key",
         with_pairs([](std::vector<Pair>& pairs) { pairs.push_back(pairs.front()); })},
        {"payload_unknown_key_twice", payload_not_cbor, "key",
         with_pairs([](std::vector<Pair>& pairs) {
             pairs.insert(pairs.end(), 2, {text_item("more"), uint_item(1)});
         })},
        {"payload_pcr_twice", payload_not_cbor, "key",
         with_value("pcrs", map_item({{uint_item(0), bytes_of(kPcrSize)},
                                      {uint_item(0), bytes_item(Bytes(kPcrSize, 1))}}))},
        {"payload_unknown_value_is_float", payload_not_cbor, "float",
         with_pairs([](std::vector<Pair>& pairs) {
             pairs.emplace_back(text_item("more"), raw({0xf9, 0, 0}));
         })},
    };
}

// Signatures of the right size over something else, or by somebody else.
std::vector<Case> signature_cases() {
    return {
        {"signature_bit", bad_signature, "found one that is not",
         with_signature([](Bytes& signature) { signature[10] ^= 1U; })},
        {"signature_zero", bad_signature, "found one that is not",
         with_signature([](Bytes& signature) { signature.assign(96, 0); })},
        {"signature_all_ones", bad_signature, "found one that is not",
         with_signature([](Bytes& signature) { signature.assign(96, 0xff); })},
        {"signature_halves_swapped", bad_signature, "found one that is not",
         with_signature([](Bytes& signature) {
             std::rotate(signature.begin(), signature.begin() + 48, signature.end());
         })},
        {"signature_of_a_stranger", bad_signature, "i-0123456789abcdef0-enc",
         [](Forgery& forgery) { forgery.signer = kStranger; }},
        {"signature_of_the_instance", bad_signature, "i-0123456789abcdef0-enc",
         [](Forgery& forgery) { forgery.signer = kInstance; }},
        {"payload_changed_after_signing", bad_signature, "found one that is not",
         with_message([](Bytes& message) {
             replace(message, {0x12, 0x12}, {0x12, 0x13});
         })},
    };
}

}  // namespace

std::vector<Case> message_cases() {
    std::vector<Case> cases = cbor_cases();
    const std::vector<Case> signatures = signature_cases();
    cases.insert(cases.end(), signatures.begin(), signatures.end());
    const auto tagged = [](int tag) {
        return with_message([tag](Bytes& message) {
            message.insert(message.begin(), static_cast<std::uint8_t>(0xc0 + tag));
        });
    };
    const auto part = [](std::size_t index, Bytes item) {
        return with_elements([index, item](std::vector<Bytes>& parts) { parts[index] = item; });
    };
    cases.insert(
        cases.end(),
        {
            {"document_too_large", too_large, "20481",
             with_message([](Bytes& message) { message.resize(20481); })},
            {"payload_too_large", too_large, "16384 bytes of payload",
             with_pairs([](std::vector<Pair>& pairs) {
                 pairs.emplace_back(text_item("more"), bytes_of(13000));
             })},
            {"tag_of_mac", not_sign1, "found tag 17", tagged(17)},
            {"tag_twice", not_sign1, "message",
             with_message([](Bytes& message) { message.insert(message.begin(), 2, 0xd2); })},
            {"three_elements", not_sign1, "found 3",
             with_elements([](std::vector<Bytes>& parts) { parts.pop_back(); })},
            {"five_elements", not_sign1, "found 5",
             with_elements([](std::vector<Bytes>& parts) { parts.push_back(null_item()); })},
            {"map_for_a_message", not_sign1, "message",
             with_message([](Bytes& message) { message = raw({0xa0}); })},
            {"payload_detached", not_sign1, "payload", part(2, null_item())},
            {"payload_is_text", not_sign1, "payload", part(2, text_item("payload"))},
            {"signature_is_text", not_sign1, "signature", part(3, text_item("signature"))},
            {"header_is_map", not_sign1, "protected header", part(0, raw({0xa0}))},
            {"unprotected_header_is_null", not_sign1, "unprotected header", part(1, null_item())},
            {"header_empty", bad_protected_header, "protected header", with_header({})},
            {"header_empty_map", bad_protected_header, "0 entries", with_header(raw({0xa0}))},
            {"header_with_content_type", bad_protected_header, "2 entries",
             with_header(raw({0xa2, 0x01, 0x38, 0x22, 0x03, 0x00}))},
            {"header_with_algorithm_as_text", bad_protected_header, "protected header",
             with_header(raw({0xa1, 0x01, 0x65, 'E', 'S', '3', '8', '4'}))},
            {"header_not_shortest", bad_protected_header, "shortest",
             with_header(raw({0xa1, 0x01, 0x39, 0x00, 0x22}))},
            {"header_algorithm_twice", bad_protected_header, "key",
             with_header(raw({0xa2, 0x01, 0x38, 0x22, 0x01, 0x38, 0x22}))},
            {"unprotected_header_with_key_id", bad_unprotected_header, "found 1",
             [](Forgery& forgery) {
                 forgery.unprotected_header = {0xa1, 0x04, 0x41, 0x00};
             }},
            {"algorithm_es256", wrong_algorithm, "found algorithm -7",
             with_header(cose::protected_header(cose::kEs256))},
            {"algorithm_es512", wrong_algorithm, "found algorithm -36",
             with_header(cose::protected_header(cose::kEs512))},
            {"algorithm_none", wrong_algorithm, "found algorithm 0",
             with_header(cose::protected_header(0))},
            {"signature_short", bad_signature_size, "found 95",
             with_signature([](Bytes& signature) { signature.pop_back(); })},
            {"signature_long", bad_signature_size, "found 97",
             with_signature([](Bytes& signature) { signature.push_back(0); })},
            {"signature_empty", bad_signature_size, "found 0",
             with_signature([](Bytes& signature) { signature.clear(); })},
            {"signature_in_der", bad_signature_size, "expected 96",
             with_signature([](Bytes& signature) { signature = der_signature(signature); })},
        });
    return cases;
}

namespace {

std::vector<Case> missing_and_null_cases() {
    const std::pair<std::string, AttestationErrc> fields[] = {
        {"module_id", bad_module_id},           {"digest", bad_digest},
        {"timestamp", bad_timestamp},           {"pcrs", bad_pcrs},
        {"certificate", bad_certificate_field}, {"cabundle", bad_cabundle},
    };
    std::vector<Case> cases;
    for (const auto& [field, code] : fields) {
        cases.push_back({"without_" + field, missing_field, field, without(field)});
        cases.push_back({"null_" + field, code, "found null", with_value(field, null_item())});
        cases.push_back({"true_" + field, code, "found a boolean", with_value(field, raw({0xf5}))});
    }
    return cases;
}

std::vector<Case> optional_cases() {
    const std::pair<std::string, AttestationErrc> fields[] = {
        {"public_key", bad_public_key}, {"user_data", bad_user_data}, {"nonce", bad_nonce}};
    std::vector<Case> cases;
    for (const auto& [field, code] : fields) {
        cases.push_back({"long_" + field, code, "found 1025", with_value(field, bytes_of(1025))});
        cases.push_back({"text_" + field, code, "found text", with_value(field, text_item("a"))});
        cases.push_back({"map_" + field, code, "found a map", with_value(field, map_item({}))});
    }
    return cases;
}

}  // namespace

std::vector<Case> payload_cases() {
    std::vector<Case> cases = missing_and_null_cases();
    const std::vector<Case> optionals = optional_cases();
    cases.insert(cases.end(), optionals.begin(), optionals.end());
    const auto last = static_cast<std::uint64_t>(kLastTime.time_since_epoch().count());
    const Bytes pcr = bytes_of(kPcrSize);
    cases.insert(
        cases.end(),
        {
            {"payload_is_array", payload_not_map, "found an array",
             with_payload([](Bytes& payload) { payload = array_item({}); })},
            {"payload_is_null", payload_not_map, "found null",
             with_payload([](Bytes& payload) { payload = null_item(); })},
            {"payload_has_number_as_key", payload_not_map, "found an unsigned integer",
             with_pairs(
                 [](std::vector<Pair>& pairs) { pairs.emplace_back(uint_item(1), uint_item(1)); })},
            {"payload_is_empty_map", missing_field, "module_id",
             with_pairs([](std::vector<Pair>& pairs) { pairs.clear(); })},
            {"module_id_empty", bad_module_id, "found 0", with_value("module_id", text_of(0))},
            {"module_id_long", bad_module_id, "found 1025", with_value("module_id", text_of(1025))},
            {"module_id_bytes", bad_module_id, "found a byte string",
             with_value("module_id", bytes_of(8))},
            {"digest_sha256", bad_digest, "found \"SHA256\"",
             with_value("digest", text_item("SHA256"))},
            {"digest_small_letters", bad_digest, "found \"sha384\"",
             with_value("digest", text_item("sha384"))},
            {"digest_of_control_characters", bad_digest, "\\x1b[31m",
             with_value("digest", text_item("\x1b[31m"))},
            {"timestamp_zero", bad_timestamp, "found 0", with_value("timestamp", uint_item(0))},
            {"timestamp_negative", bad_timestamp, "found a negative integer",
             with_value("timestamp", raw({0x20}))},
            {"timestamp_text", bad_timestamp, "found text",
             with_value("timestamp", text_item("2022-10-13T08:58:02Z"))},
            {"timestamp_after_9999", bad_timestamp, std::to_string(last + 1),
             with_value("timestamp", uint_item(last + 1))},
            {"timestamp_greatest", bad_timestamp, "18446744073709551615",
             with_value("timestamp", uint_item(~std::uint64_t{0}))},
            {"pcrs_empty", bad_pcrs, "found 0", with_value("pcrs", map_item({}))},
            {"pcrs_33", bad_pcrs, "found 33", with_value("pcrs", many_pcrs(33))},
            {"pcrs_array", bad_pcrs, "found an array", with_value("pcrs", array_item({pcr}))},
            {"pcr_32", bad_pcr_index, "found PCR32", with_pcr(uint_item(32), pcr)},
            {"pcr_256", bad_pcr_index, "found PCR256", with_pcr(uint_item(256), pcr)},
            {"pcr_65536", bad_pcr_index, "found PCR65536", with_pcr(uint_item(65536), pcr)},
            {"pcr_negative", bad_pcr_index, "found a negative integer", with_pcr(raw({0x20}), pcr)},
            {"pcr_text", bad_pcr_index, "found text", with_pcr(text_item("0"), pcr)},
            {"pcr_size_47", bad_pcr_size, "48 bytes of PCR0, found 47",
             with_pcr(uint_item(0), bytes_of(47))},
            {"pcr_size_49", bad_pcr_size, "found 49", with_pcr(uint_item(0), bytes_of(49))},
            {"pcr_size_0", bad_pcr_size, "found 0", with_pcr(uint_item(0), bytes_of(0))},
            {"pcr_size_of_sha256", bad_pcr_size, "found 32", with_pcr(uint_item(7), bytes_of(32))},
            {"pcr_size_of_sha512", bad_pcr_size, "found 64", with_pcr(uint_item(7), bytes_of(64))},
            {"pcr_null", bad_pcr_size, "found null", with_pcr(uint_item(0), null_item())},
            {"certificate_empty", bad_certificate_field, "found 0",
             with_value("certificate", bytes_of(0))},
            {"certificate_long", bad_certificate_field, "found 1025",
             with_value("certificate", bytes_of(1025))},
            {"bundle_empty", bad_cabundle, "found 0", with_value("cabundle", array_item({}))},
            {"bundle_of_nine", bad_cabundle, "found 9",
             with_value("cabundle", array_item(std::vector<Bytes>(9, bytes_of(1))))},
            {"bundle_with_empty_entry", bad_cabundle, "cabundle[1], found 0",
             with_value("cabundle", array_item({bytes_of(1), bytes_of(0)}))},
            {"bundle_with_long_entry", bad_cabundle, "cabundle[0], found 1025",
             with_value("cabundle", array_item({bytes_of(1025)}))},
            {"bundle_with_text", bad_cabundle, "found text",
             with_value("cabundle", array_item({text_item("root")}))},
            {"bundle_bytes", bad_cabundle, "found a byte string",
             with_value("cabundle", bytes_of(500))},
        });
    return cases;
}

}  // namespace casemate::attestation::forger
