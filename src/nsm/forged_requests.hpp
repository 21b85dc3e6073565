// For tests: what a guest may send that is answered with an error, and what a document is asked
// for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/cbor/cbor.hpp"
#include "nsm/document.hpp"
#include "nsm/requests.hpp"

namespace casemate::nsm::forged {

// BadRequest: a request, what is wrong with it, and the one right answer.
struct BadRequest {
    std::string what;
    Bytes request;
    ErrorCode answer;
};

// text_item is a short text in hexadecimal, with its head.
inline std::string text_item(std::string_view text) {
    Bytes out;
    cbor::Writer(out).put_text(text);
    return to_hex(out);
}

// bytes_item is a byte string of that many bytes, likewise.
inline std::string bytes_item(std::size_t size) {
    Bytes out;
    cbor::Writer(out).put_bytes(Bytes(size, 0x5a));
    return to_hex(out);
}

// AttestedFields: what an enclave wants attested; what is not there is null.
struct AttestedFields {
    std::optional<Bytes> user_data;
    std::optional<Bytes> nonce;
    std::optional<Bytes> public_key;
};

// attestation is the request as AWS's library sends it.
inline Bytes attestation(const AttestedFields& fields) {
    Bytes out;
    cbor::Writer writer(out);
    writer.begin_map(1);
    writer.put_text("Attestation");
    writer.begin_map(3);
    const auto put = [&writer](std::string_view name, const std::optional<Bytes>& field) {
        writer.put_text(name);
        if (field) {
            writer.put_bytes(*field);
        } else {
            writer.put_null();
        }
    };
    put("user_data", fields.user_data);
    put("nonce", fields.nonce);
    put("public_key", fields.public_key);
    return out;
}

// document_of takes the document out of a response; nothing when the response is an error.
inline std::optional<Bytes> document_of(ByteView response) {
    auto reader = cbor::Reader::open(response);
    auto outer = reader ? reader->read_map() : std::move(reader).error();
    auto answer = outer ? outer->find("Attestation") : std::nullopt;
    auto fields = answer ? std::optional(answer->read_map()) : std::nullopt;
    auto document = fields && *fields ? (*fields)->find("document") : std::nullopt;
    auto bytes = document ? std::optional(document->read_bytes()) : std::nullopt;
    if (!bytes || !*bytes) {
        return std::nullopt;
    }
    return Bytes((*bytes)->begin(), (*bytes)->end());
}

namespace detail {

struct Row {
    const char* what;
    std::string digits;
};

inline std::vector<Row> invalid() {
    const std::string index = text_item("index") + "10";
    const std::string data = text_item("data");
    const std::string describe = "a1" + text_item("DescribePCR");
    const std::string lock = "a1" + text_item("LockPCR");
    const std::string extend = "a1" + text_item("ExtendPCR");
    const std::string attest = "a1" + text_item("Attestation");
    return {
        {"nothing", ""},
        {"a break without anything to break", "ff"},
        {"half a text", "6b446573"},
        {"a text that is not UTF-8", "62c328"},
        {"something behind", text_item("DescribeNSM") + "00"},
        {"an unknown name", text_item("describensm")},
        {"an unknown name with fields", "a1" + text_item("Attest") + "a0"},
        {"a name without its fields", text_item("DescribePCR")},
        {"a number", "10"},
        {"an empty map", "a0"},
        {"two requests", "a2" + text_item("LockPCR") + "a1" + index + text_item("x") + "00"},
        {"fields too many", "a1" + text_item("DescribeNSM") + "a0"},
        {"a name that is a number", "a11010"},
        {"fields that are null", lock + "f6"},
        {"no index", lock + "a0"},
        {"a negative index", lock + "a1" + text_item("index") + "20"},
        {"an index as text", lock + "a1" + text_item("index") + "6131"},
        {"an index as a floating point number", lock + "a1" + text_item("index") + "f93c00"},
        {"an index twice", lock + "a2" + index + index},
        {"no range", "a1" + text_item("LockPCRs") + "a1" + index},
        {"no data", extend + "a1" + index},
        {"data that is null", extend + "a2" + index + data + "f6"},
        {"data of an indefinite length", extend + "a2" + index + data + "5f4101ff"},
        {"data longer than the request", extend + "a2" + index + data + "5affffffff00"},
        {"a map of an indefinite length", "bf" + text_item("LockPCR") + "a1" + index + "ff"},
        {"an index deep in arrays", lock + "a1" + text_item("index") + "8181818100"},
        {"more pairs than there are", describe + "bbffffffffffffffff" + index},
        {"Attestation without its fields", text_item("Attestation")},
        {"Attestation of null", attest + "f6"},
        {"Attestation of an array", attest + "80"},
        {"user_data as a number", attest + "a1" + text_item("user_data") + "01"},
        {"user_data as an array", attest + "a1" + text_item("user_data") + "8101"},
        {"nonce as a boolean", attest + "a1" + text_item("nonce") + "f5"},
        {"nonce as a map", attest + "a1" + text_item("nonce") + "a0"},
        {"nonce twice", attest + "a2" + text_item("nonce") + "41aa" + text_item("nonce") + "41bb"},
        {"public_key as a negative number", attest + "a1" + text_item("public_key") + "20"},
        {"public_key under a tag", attest + "a1" + text_item("public_key") + "d84041aa"},
        {"one field too large and another of the wrong type",
         attest + "a2" + text_item("user_data") + bytes_item(kMaxDocumentField + 1) +
             text_item("public_key") + "01"},
        {"one field of the wrong type and another too large",
         attest + "a2" + text_item("user_data") + "01" + text_item("public_key") +
             bytes_item(kMaxDocumentField + 1)},
    };
}

inline std::vector<Row> too_large() {
    const std::string attest = "a1" + text_item("Attestation") + "a1";
    const std::string too_long = bytes_item(kMaxDocumentField + 1);
    Bytes text;
    cbor::Writer(text).put_text(std::string(kMaxDocumentField + 1, 'x'));
    return {
        {"user_data of 1,025 bytes", attest + text_item("user_data") + too_long},
        {"nonce of 1,025 bytes", attest + text_item("nonce") + too_long},
        {"public_key of 1,025 bytes", attest + text_item("public_key") + too_long},
        {"nonce of 1,025 bytes of text", attest + text_item("nonce") + to_hex(text)},
        {"4,097 bytes of nothing", std::string(2 * (kMaxRequestSize + 1), '0')},
        {"user_data of 4,080 bytes", attest + text_item("user_data") + bytes_item(4080)},
    };
}

inline std::vector<Row> no_such_register() {
    const std::string index = "a1" + text_item("index");
    return {
        {"describing register 32", "a1" + text_item("DescribePCR") + index + "1820"},
        {"describing the last number's register",
         "a1" + text_item("DescribePCR") + index + "1bffffffffffffffff"},
        {"locking register 32", "a1" + text_item("LockPCR") + index + "1820"},
        {"locking 33 registers", "a1" + text_item("LockPCRs") + "a1" + text_item("range") + "1821"},
        {"extending register 32", "a1" + text_item("ExtendPCR") + "a2" + text_item("index") +
                                      "1820" + text_item("data") + "40"},
    };
}

inline std::vector<Row> locked() {
    return {
        {"locking register 0", "a1" + text_item("LockPCR") + "a1" + text_item("index") + "00"},
        {"extending register 15", "a1" + text_item("ExtendPCR") + "a2" + text_item("index") + "0f" +
                                      text_item("data") + "4101"},
    };
}

}  // namespace detail

// bad_requests is one of each kind, for a module whose registers are as at boot. None of them
// changes anything.
inline std::vector<BadRequest> bad_requests() {
    std::vector<BadRequest> all;
    const auto add = [&all](const std::vector<detail::Row>& rows, ErrorCode answer) {
        for (const detail::Row& row : rows) {
            all.push_back({row.what, from_hex(row.digits).value(), answer});
        }
    };
    add(detail::invalid(), ErrorCode::invalid_operation);
    add(detail::too_large(), ErrorCode::input_too_large);
    add(detail::no_such_register(), ErrorCode::invalid_index);
    add(detail::locked(), ErrorCode::read_only_index);
    return all;
}

}  // namespace casemate::nsm::forged
