#include "cli/verified_document.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "attestation/text.hpp"
#include "codec/base64.hpp"
#include "codec/rfc3339.hpp"

namespace casemate::cli {

namespace {

using attestation::Step;
using codec::format_rfc3339;

Json field_json(const std::optional<Bytes>& field) {
    return field ? Json(codec::encode_base64(*field)) : Json();
}

std::string field_text(const std::optional<Bytes>& field) {
    return field ? std::to_string(field->size()) + " bytes" : "none";
}

bool is_zero(const attestation::PcrValue& value) {
    return std::all_of(value.begin(), value.end(), [](std::uint8_t byte) { return byte == 0; });
}

// mark has one width, so that the titles are below each other.
std::string_view mark(Step::Outcome outcome) {
    switch (outcome) {
        case Step::Outcome::passed:
            return "ok      ";
        case Step::Outcome::failed:
            return "FAILED  ";
        default:
            return "-       ";
    }
}

}  // namespace

Json verified_json(const attestation::VerifiedDocument& document) {
    const attestation::Contents& contents = document.contents();
    Json pcrs = Json::object();
    for (const auto& [index, value] : contents.pcrs) {
        pcrs.add("PCR" + std::to_string(index), to_hex(value));
    }
    Json json = Json::object();
    json.add("Verified", true);
    json.add("ModuleId", contents.module_id);
    json.add("Timestamp", format_rfc3339(contents.timestamp));
    json.add("Isolation", attestation::name_of(document.isolation()));
    json.add("Debug", document.debug());
    json.add("PCRs", std::move(pcrs));
    json.add("PublicKey", field_json(contents.public_key));
    json.add("UserData", field_json(contents.user_data));
    json.add("Nonce", field_json(contents.nonce));
    json.add("RootFingerprint", to_hex(document.root()));
    json.add("ValidFrom", format_rfc3339(document.valid_from()));
    json.add("ValidUntil", format_rfc3339(document.valid_until()));
    return json;
}

std::string verified_text(const attestation::VerifiedDocument& document) {
    const attestation::Contents& contents = document.contents();
    std::vector<std::pair<std::string, std::string>> lines{
        {"module id", attestation::printable(contents.module_id)},
        {"time", format_rfc3339(contents.timestamp)},
        {"isolation", std::string(attestation::name_of(document.isolation()))},
        {"debug mode", document.debug() ? "yes" : "no"}};
    for (const auto& [index, value] : contents.pcrs) {
        if (!is_zero(value)) {
            lines.emplace_back("PCR" + std::to_string(index), to_hex(value));
        }
    }
    lines.emplace_back("public key", field_text(contents.public_key));
    lines.emplace_back("user data", field_text(contents.user_data));
    lines.emplace_back("nonce", field_text(contents.nonce));
    lines.emplace_back("root", to_hex(document.root()));
    lines.emplace_back("valid until", format_rfc3339(document.valid_until()));
    constexpr std::size_t kWidth = 13;
    std::string text = "Verified.\n";
    for (const auto& [name, value] : lines) {
        text += name;
        text.append(kWidth - name.size(), ' ');
        text += value;
        text += '\n';
    }
    return text;
}

Json refused_json(attestation::AttestationErrc code, const Error& error) {
    Json json = Json::object();
    json.add("Verified", false);
    json.add("Error", attestation::identifier(code));
    json.add("Message", error.message());
    return json;
}

std::string refused_text(attestation::AttestationErrc code, const Error& error) {
    return "Refused (" + std::string(attestation::identifier(code)) + "). " + error.message() +
           "\n";
}

std::string steps_text(const attestation::Report& report) {
    std::string text;
    for (const Step& step : report) {
        text += std::string(mark(step.outcome)) + step.title;
        text += step.finding.empty() ? "\n" : ": " + step.finding + "\n";
    }
    return text;
}

}  // namespace casemate::cli
