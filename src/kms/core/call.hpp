// Call: one request on its way through the service.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kms/core/json.hpp"
#include "policy/policy.hpp"

namespace casemate::kms {

using EncryptionContext = std::map<std::string, std::string>;

// Session: what temporary credentials say of a caller.
struct Session {
    // issuer: the ARN of the user to whom they were given: a role's, or the caller's own.
    std::string issuer;
    Time issued;
    Time expires;
    // policy: narrows what the user may do; nothing for none.
    std::optional<policy::Policy> policy;
};

// Caller: who has signed the request.
struct Caller {
    // arn: "arn:aws:iam::111122223333:user/NAME", …; of a role's session
    // "arn:aws:sts::111122223333:assumed-role/ROLE/SESSION".
    std::string arn;
    // account: its 12 digits.
    std::string account;
    std::string access_key_id;
    // policy: his own; nothing for none.
    std::optional<policy::Policy> policy;
    // session: nothing for permanent credentials.
    std::optional<Session> session;
};

// Notes: what the audit log tells about a call beside its name, caller and outcome.
struct Notes {
    // keys: ARNs of the keys that were used or changed, in the order of their use.
    std::vector<std::string> keys;
    std::optional<EncryptionContext> encryption_context;
    // recipient: additionalEventData.recipient of AWS's CloudTrail, once the document has verified.
    std::optional<json::object> recipient;
    // Parameters that are worth telling and no secret, by AWS's names.
    std::vector<std::pair<std::string, std::string>> parameters;
    // decision: what allowed or denied it ("statement 2 \"EnclaveOnly\" of the key policy").
    std::string decision;
    // refusal: why, in more words than the caller gets.
    std::string refusal;
};

struct Call {
    // request_id: a UUID, for the answer's header and the audit log.
    std::string request_id;
    // operation: "Decrypt".
    std::string operation;
    Caller caller;
    // source_address: the peer's numeric address; nothing for a unix socket.
    std::optional<std::string> source_address;
    // secure: it came through TLS.
    bool secure = false;
    Time now;
    // memory holds the input and is for the answer.
    json::storage_ptr memory;
    json::object input;
    Notes notes;

    // answer makes an empty answer in the call's memory.
    [[nodiscard]] Answer answer() const { return Answer(memory); }
};

}  // namespace casemate::kms
