// What is expected of registers, out of JSON and enclave images.
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "attestation/policy.hpp"
#include "codec/json_keys.hpp"
#include "eif/error.hpp"
#include "eif/measure.hpp"

namespace casemate::attestation {

namespace {

namespace json = boost::json;

constexpr std::size_t kMaxJson = 1UL << 20U;
constexpr std::size_t kMaxDepth = 32;
constexpr std::size_t kMaxValues = 1024;
constexpr std::string_view kPrefix = "PCR";

Error refusal(std::string sentence) {
    return Error(AttestationErrc::bad_expectation, std::move(sentence));
}

std::string_view view(json::string_view text) {
    return {text.data(), text.size()};
}

// quoted shows what somebody else wrote, in printable characters and not too much of it.
std::string quoted(std::string_view text) {
    constexpr std::size_t kShown = 40;
    std::string shown = json::serialize(json::string_view(text.data(), text.size()));
    if (shown.size() <= kShown) {
        return shown;
    }
    // Not in the middle of a character of UTF-8.
    std::size_t end = kShown;
    while ((static_cast<unsigned char>(shown[end]) & 0xc0U) == 0x80U) {
        --end;
    }
    return shown.substr(0, end) + "…";
}

Result<json::value> parse_text(std::string_view text) {
    if (text.size() > kMaxJson) {
        return refusal("expected JSON of at most " + std::to_string(kMaxJson) + " bytes, found " +
                       std::to_string(text.size()));
    }
    json::parse_options options;
    options.max_depth = kMaxDepth;
    if (const auto twice = codec::key_given_twice(text, options)) {
        return refusal("expected each key once, found " + quoted(*twice) + " twice");
    }
    json::error_code code;
    json::value value = json::parse(json::string_view(text.data(), text.size()), code, {}, options);
    if (code) {
        return refusal("expected JSON: " + code.message());
    }
    return value;
}

// parse_register reads "PCR0" to "PCR31", as they are written and no other way.
Result<std::uint16_t> parse_register(std::string_view key) {
    std::uint16_t index = 0;
    const std::string_view digits = key.substr(std::min(kPrefix.size(), key.size()));
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), index);
    if (!key.starts_with(kPrefix) || read.ec != std::errc() || index >= kPcrCount ||
        digits != std::to_string(index)) {
        return refusal("expected keys PCR0 to PCR" + std::to_string(kPcrCount - 1) + ", found " +
                       quoted(key));
    }
    return index;
}

Result<PcrValue> parse_value(const json::value& value) {
    if (!value.is_string()) {
        return refusal("expected a value in hexadecimal, found JSON of another kind");
    }
    const std::string_view text = view(value.get_string());
    const auto bytes = from_hex(text);
    if (!bytes || bytes->size() != kPcrSize) {
        return refusal("expected " + std::to_string(2 * kPcrSize) + " hexadecimal digits, found " +
                       std::to_string(text.size()) + " characters: " + quoted(text));
    }
    PcrValue pcr{};
    std::copy(bytes->begin(), bytes->end(), pcr.begin());
    return pcr;
}

Result<std::set<PcrValue>> parse_values(const json::value& value) {
    std::set<PcrValue> values;
    if (!value.is_array()) {
        CASEMATE_TRY(const PcrValue single, parse_value(value));
        values.insert(single);
        return values;
    }
    const json::array& array = value.get_array();
    if (array.empty() || array.size() > kMaxValues) {
        return refusal("expected 1 to " + std::to_string(kMaxValues) + " values, found " +
                       std::to_string(array.size()));
    }
    for (const json::value& item : array) {
        CASEMATE_TRY(const PcrValue single, parse_value(item));
        values.insert(single);
    }
    return values;
}

Result<> check_algorithm(const json::value& value) {
    constexpr std::string_view kExpected = "sha384";
    const std::string_view found = value.is_string() ? view(value.get_string()) : "";
    const auto same = [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); };
    if (found.size() < kExpected.size() ||
        !std::equal(kExpected.begin(), kExpected.end(), found.begin(), same)) {
        return refusal("expected the HashAlgorithm Sha384, found " + json::serialize(value));
    }
    return {};
}

Result<ExpectedPcrs::Alternative> parse_registers(const json::value& value) {
    if (!value.is_object()) {
        return refusal("expected an object of registers, found JSON of another kind");
    }
    ExpectedPcrs::Alternative alternative;
    for (const auto& member : value.get_object()) {
        const std::string_view key = view(member.key());
        if (key == "HashAlgorithm") {
            CASEMATE_CHECK(check_algorithm(member.value()));
            continue;
        }
        CASEMATE_TRY(const std::uint16_t index, parse_register(key));
        auto values = parse_values(member.value());
        if (!values) {
            return std::move(values).error().while_doing(key);
        }
        alternative.emplace(index, std::move(*values));
    }
    if (alternative.empty()) {
        return refusal("expected at least one register, found none");
    }
    return alternative;
}

// parse_alternative reads an object of registers, or what build-enclave and describe-eif print, in
// which one is called "Measurements".
Result<ExpectedPcrs::Alternative> parse_alternative(const json::value& value) {
    const json::object* object = value.if_object();
    const json::value* measurements =
        object == nullptr ? nullptr : object->if_contains("Measurements");
    if (measurements == nullptr) {
        return parse_registers(value);
    }
    constexpr std::array<std::string_view, 8> kDescription{
        "Measurements", "EifVersion", "IsSigned",     "SigningCertificate",
        "CheckCRC",     "ImageName",  "ImageVersion", "Metadata"};
    for (const auto& member : *object) {
        if (std::find(kDescription.begin(), kDescription.end(), view(member.key())) ==
            kDescription.end()) {
            return refusal("expected the description of an image, found the key " +
                           quoted(view(member.key())));
        }
    }
    return parse_registers(*measurements);
}

// meet gives what meets both, or nothing where a register would be left without a value.
std::optional<ExpectedPcrs::Alternative> meet(const ExpectedPcrs::Alternative& a,
                                              const ExpectedPcrs::Alternative& b) {
    ExpectedPcrs::Alternative both = a;
    for (const auto& [index, values] : b) {
        const auto [place, added] = both.try_emplace(index, values);
        if (added) {
            continue;
        }
        std::set<PcrValue> common;
        std::set_intersection(place->second.begin(), place->second.end(), values.begin(),
                              values.end(), std::inserter(common, common.end()));
        if (common.empty()) {
            return std::nullopt;
        }
        place->second = std::move(common);
    }
    return both;
}

}  // namespace

Result<> ExpectedPcrs::combine(const ExpectedPcrs& other) {
    if (other.empty()) {
        return {};
    }
    if (empty()) {
        *this = other;
        return {};
    }
    if (alternatives_.size() > kMaxAlternatives / other.alternatives_.size()) {
        return refusal("expected at most " + std::to_string(kMaxAlternatives) +
                       " alternatives, found " + std::to_string(alternatives_.size()) + " times " +
                       std::to_string(other.alternatives_.size()));
    }
    std::vector<Alternative> both;
    for (const Alternative& a : alternatives_) {
        for (const Alternative& b : other.alternatives_) {
            if (auto met = meet(a, b)) {
                both.push_back(*std::move(met));
            }
        }
    }
    if (both.empty()) {
        return refusal(
            "expected measurements that one enclave can have, found different values for the same "
            "register");
    }
    alternatives_ = std::move(both);
    return {};
}

Result<ExpectedPcrs> ExpectedPcrs::from_json(std::string_view json) {
    CASEMATE_TRY(const json::value root, parse_text(json));
    ExpectedPcrs expected;
    if (!root.is_array()) {
        CASEMATE_TRY(Alternative single, parse_alternative(root));
        expected.add_alternative(std::move(single));
        return expected;
    }
    const json::array& array = root.get_array();
    if (array.empty() || array.size() > kMaxAlternatives) {
        return refusal("expected 1 to " + std::to_string(kMaxAlternatives) +
                       " alternatives, found " + std::to_string(array.size()));
    }
    for (const json::value& item : array) {
        auto alternative = parse_alternative(item);
        if (!alternative) {
            return std::move(alternative)
                .error()
                .while_doing("alternative " + std::to_string(expected.alternatives_.size() + 1));
        }
        expected.add_alternative(std::move(*alternative));
    }
    return expected;
}

Result<ExpectedPcrs> ExpectedPcrs::from_eif(int image) {
    CASEMATE_TRY(const eif::Measured measured, eif::measure(image));
    if (!measured.crc_matches) {
        return Error(eif::EifErrc::wrong_crc,
                     "expected an image with the checksum that its header says, found another");
    }
    const eif::Measurements& found = measured.measurements;
    Alternative alternative{{0, {found.pcr0}}, {1, {found.pcr1}}, {2, {found.pcr2}}};
    if (found.pcr8) {
        alternative[8].insert(*found.pcr8);
    }
    ExpectedPcrs expected;
    expected.add_alternative(std::move(alternative));
    return expected;
}

}  // namespace casemate::attestation
