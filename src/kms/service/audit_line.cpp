#include "kms/service/audit_line.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>

#include "codec/rfc3339.hpp"
#include "kms/core/names.hpp"
#include "kms/service/json_line.hpp"
#include "kms/service/text.hpp"

namespace casemate::kms::service {

namespace {

constexpr std::size_t kMostOfHeader = 256;
constexpr std::string_view kSource = "kms.amazonaws.com";

std::string_view type_of_identity(std::string_view arn) {
    if (arn.ends_with(":root")) {
        return "Root";
    }
    if (arn.find(":assumed-role/") != std::string_view::npos) {
        return "AssumedRole";
    }
    if (arn.find(":role/") != std::string_view::npos) {
        return "Role";
    }
    return "IAMUser";
}

// What CloudTrail tells of temporary credentials: whose they are, and since when.
void put_session(JsonLine& out, const Caller& caller) {
    const Session& session = *caller.session;
    out.begin("sessionContext");
    if (session.issuer != caller.arn) {
        const std::string_view issuer = session.issuer;
        out.begin("sessionIssuer");
        out.text("type", "Role").text("arn", issuer).text("accountId", caller.account);
        out.text("userName", issuer.substr(issuer.rfind('/') + 1));
        out.end();
    }
    out.begin("attributes");
    out.text("creationDate", codec::format_rfc3339(session.issued));
    out.text("mfaAuthenticated", "false");
    out.end();
    out.end();
}

void put_identity(JsonLine& out, const Audited& audited) {
    const Caller& caller = audited.call->caller;
    out.begin("userIdentity");
    if (caller.arn.empty()) {
        out.text("type", "Unknown");
        if (!audited.claimed_access_key.empty()) {
            out.text("accessKeyId", printable(audited.claimed_access_key, kMostOfHeader));
        }
        out.end();
        return;
    }
    out.text("type", type_of_identity(caller.arn));
    out.text("arn", caller.arn);
    out.text("accountId", caller.account);
    out.text("accessKeyId", caller.access_key_id);
    if (caller.arn.find(":user/") != std::string::npos) {
        out.text("userName", std::string_view(caller.arn).substr(caller.arn.rfind('/') + 1));
    }
    if (caller.session) {
        put_session(out, caller);
    }
    out.end();
}

void put_resources(JsonLine& out, const std::vector<std::string>& keys) {
    if (keys.empty()) {
        return;
    }
    out.begin_list("resources");
    for (const std::string& key : keys) {
        out.begin_element();
        out.text("ARN", key).text("accountId", account_of(key)).text("type", "AWS::KMS::Key");
        out.end();
    }
    out.end_list();
}

// put_parameters: of those of one name the last counts.
void put_parameters(JsonLine& out, const Notes& notes) {
    const auto& parameters = notes.parameters;
    if (parameters.empty() && !notes.encryption_context) {
        return;
    }
    out.begin("requestParameters");
    for (auto one = parameters.begin(); one != parameters.end(); ++one) {
        const bool is_last = std::none_of(one + 1, parameters.end(), [&](const auto& other) {
            return other.first == one->first;
        });
        if (is_last) {
            out.text(one->first, one->second);
        }
    }
    if (notes.encryption_context) {
        out.begin("encryptionContext");
        for (const auto& [name, value] : *notes.encryption_context) {
            out.text(name, value);
        }
        out.end();
    }
    out.end();
}

// The event's name: the operation's, or what a request that names none asked for.
std::string name_of_event(const Audited& audited) {
    if (audited.operation != nullptr) {
        return std::string(audited.operation->name);
    }
    const std::string* target = http::find_header(audited.request->headers, "x-amz-target");
    return target != nullptr ? printable(*target, kMostOfHeader) : std::string();
}

void put_outcome(JsonLine& out, const Audited& audited) {
    const Notes& notes = audited.call->notes;
    if (audited.fault) {
        constexpr std::size_t kMostOfMessage = 1024;
        out.text("errorCode", type_of(audited.fault->code));
        out.text("errorMessage", printable(audited.fault->message, kMostOfMessage));
    }
    if (!notes.decision.empty()) {
        out.text("decision", notes.decision);
    }
    if (!notes.refusal.empty()) {
        constexpr std::size_t kMostOfRefusal = 1024;
        out.text("refusal", printable(notes.refusal, kMostOfRefusal));
    }
}

}  // namespace

std::string audit_entry(const Audited& audited) {
    const Call& call = *audited.call;
    JsonLine out;
    out.text("eventTime", codec::format_rfc3339(call.now));
    out.text("eventSource", kSource);
    out.text("eventName", name_of_event(audited));
    out.text("awsRegion", audited.region);
    out.text("requestID", call.request_id);
    put_identity(out, audited);
    if (call.source_address) {
        out.text("sourceIPAddress", *call.source_address);
    }
    out.text("listener", audited.request->peer.listener);
    const std::string* agent = http::find_header(audited.request->headers, "user-agent");
    if (agent != nullptr) {
        out.text("userAgent", printable(*agent, kMostOfHeader));
    }
    if (audited.operation != nullptr) {
        out.truth("readOnly", !audited.operation->changes);
    }
    put_outcome(out, audited);
    put_resources(out, call.notes.keys);
    put_parameters(out, call.notes);
    if (call.notes.recipient) {
        out.begin("additionalEventData");
        out.value("recipient", boost::json::serialize(*call.notes.recipient));
        out.end();
    }
    return std::move(out).take();
}

std::string audit_entry(const UpkeepEvent& event, std::string_view region) {
    JsonLine out;
    out.text("eventTime", codec::format_rfc3339(event.at));
    out.text("eventSource", kSource);
    out.text("eventName", name_of(event.kind));
    out.text("eventType", "AwsServiceEvent");
    out.text("awsRegion", region);
    out.begin("userIdentity").text("type", "AWSService").end();
    put_resources(out, {event.key_arn});
    if (!event.material_id.empty()) {
        out.begin("serviceEventDetails").text("keyMaterialId", event.material_id).end();
    }
    return std::move(out).take();
}

}  // namespace casemate::kms::service
