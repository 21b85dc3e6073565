#include "kms/service/audit_line.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "codec/rfc3339.hpp"
#include "kms/core/names.hpp"
#include "kms/service/text.hpp"

namespace casemate::kms::service {

namespace {

constexpr std::size_t kMostOfHeader = 256;

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

json::object identity_of(const Audited& audited) {
    json::object out;
    const Caller& caller = audited.call->caller;
    if (caller.arn.empty()) {
        out["type"] = "Unknown";
        if (!audited.claimed_access_key.empty()) {
            out["accessKeyId"] = printable(audited.claimed_access_key, kMostOfHeader);
        }
        return out;
    }
    out["type"] = type_of_identity(caller.arn);
    out["arn"] = caller.arn;
    out["accountId"] = caller.account;
    out["accessKeyId"] = caller.access_key_id;
    const std::size_t name = caller.arn.rfind('/');
    if (caller.arn.find(":user/") != std::string::npos) {
        out["userName"] = caller.arn.substr(name + 1);
    }
    return out;
}

json::array resources_of(const Notes& notes) {
    json::array out;
    for (const std::string& key : notes.keys) {
        json::object resource;
        resource["ARN"] = key;
        resource["accountId"] = account_of(key);
        resource["type"] = "AWS::KMS::Key";
        out.push_back(std::move(resource));
    }
    return out;
}

json::object parameters_of(const Notes& notes) {
    json::object out;
    for (const auto& [name, value] : notes.parameters) {
        out[name] = value;
    }
    if (notes.encryption_context) {
        json::object context;
        for (const auto& [name, value] : *notes.encryption_context) {
            context[name] = value;
        }
        out["encryptionContext"] = std::move(context);
    }
    return out;
}

// The event's name: the operation's, or what a request that names none asked for.
std::string name_of_event(const Audited& audited) {
    if (audited.operation != nullptr) {
        return std::string(audited.operation->name);
    }
    const std::string* target = http::find_header(audited.request->headers, "x-amz-target");
    return target != nullptr ? printable(*target, kMostOfHeader) : std::string();
}

void put_outcome(json::object& out, const Audited& audited) {
    const Notes& notes = audited.call->notes;
    if (audited.fault) {
        constexpr std::size_t kMostOfMessage = 1024;
        out["errorCode"] = type_of(audited.fault->code);
        out["errorMessage"] = printable(audited.fault->message, kMostOfMessage);
    }
    if (!notes.decision.empty()) {
        out["decision"] = notes.decision;
    }
    if (!notes.refusal.empty()) {
        constexpr std::size_t kMostOfRefusal = 1024;
        out["refusal"] = printable(notes.refusal, kMostOfRefusal);
    }
}

}  // namespace

std::string audit_entry(const Audited& audited) {
    const Call& call = *audited.call;
    json::object out;
    out["eventTime"] = codec::format_rfc3339(call.now);
    out["eventSource"] = "kms.amazonaws.com";
    out["eventName"] = name_of_event(audited);
    out["awsRegion"] = audited.region;
    out["requestID"] = call.request_id;
    out["userIdentity"] = identity_of(audited);
    if (call.source_address) {
        out["sourceIPAddress"] = *call.source_address;
    }
    out["listener"] = audited.request->peer.listener;
    const std::string* agent = http::find_header(audited.request->headers, "user-agent");
    if (agent != nullptr) {
        out["userAgent"] = printable(*agent, kMostOfHeader);
    }
    if (audited.operation != nullptr) {
        out["readOnly"] = !audited.operation->changes;
    }
    put_outcome(out, audited);
    if (json::array resources = resources_of(call.notes); !resources.empty()) {
        out["resources"] = std::move(resources);
    }
    if (json::object parameters = parameters_of(call.notes); !parameters.empty()) {
        out["requestParameters"] = std::move(parameters);
    }
    if (call.notes.recipient) {
        // A copy in ordinary memory: the call's own ends with it.
        json::object recipient;
        for (const auto& member : *call.notes.recipient) {
            recipient[member.key()] = member.value();
        }
        json::object additional;
        additional["recipient"] = std::move(recipient);
        out["additionalEventData"] = std::move(additional);
    }
    return json::serialize(out);
}

std::string audit_entry(const UpkeepEvent& event, std::string_view region) {
    json::object out;
    out["eventTime"] = codec::format_rfc3339(event.at);
    out["eventSource"] = "kms.amazonaws.com";
    out["eventName"] = name_of(event.kind);
    out["eventType"] = "AwsServiceEvent";
    out["awsRegion"] = region;
    out["userIdentity"] = json::object{{"type", "AWSService"}};
    Notes notes;
    notes.keys.push_back(event.key_arn);
    out["resources"] = resources_of(notes);
    if (!event.material_id.empty()) {
        out["serviceEventDetails"] = json::object{{"keyMaterialId", event.material_id}};
    }
    return json::serialize(out);
}

}  // namespace casemate::kms::service
