#include "kms/service/front.hpp"

#include <array>
#include <boost/json/serializer.hpp>
#include <exception>

#include "codec/rfc3339.hpp"
#include "crypto/random.hpp"
#include "http/wire.hpp"
#include "kms/core/json.hpp"
#include "kms/core/names.hpp"
#include "kms/core/session.hpp"
#include "kms/service/audit_line.hpp"
#include "sigv4/verify.hpp"

namespace casemate::kms::service {

namespace {

constexpr std::string_view kContentType = "application/x-amz-json-1.1";
constexpr std::string_view kTargetPrefix = "TrentService.";
constexpr int kNotFound = 404;
constexpr int kUnavailable = 503;

// serialize_secret writes JSON without leaving copies of it in memory.
std::string serialize_secret(const json::object& object) {
    std::string out;
    json::serializer serializer;
    serializer.reset(&object);
    // Most answers fit.
    std::array<char, 512> buffer{};
    while (!serializer.done()) {
        const auto part = serializer.read(buffer.data(), buffer.size());
        http::append_secret(out, {part.data(), part.size()});
    }
    cleanse({reinterpret_cast<std::uint8_t*>(buffer.data()), buffer.size()});
    return out;
}

std::string_view without_query(std::string_view target) {
    return target.substr(0, target.find('?'));
}

// is_json tells whether a Content-Type is the protocol's, with parameters or without.
bool is_json(std::string_view type) {
    const std::string_view name = type.substr(0, type.find(';'));
    return http::equal_ignoring_case(name.substr(0, name.find_last_not_of(" \t") + 1),
                                     kContentType);
}

http::Response text_response(int status, std::string type, std::string body) {
    http::Response response;
    response.status = status;
    response.headers.emplace_back("Content-Type", std::move(type));
    response.headers.emplace_back("Cache-Control", "no-store");
    response.body = std::move(body);
    return response;
}

http::Response fault_response(const Fault& fault, const std::string& request_id) {
    http::Response response;
    response.status = status_of(fault.code);
    response.headers.emplace_back("x-amzn-RequestId", request_id);
    response.headers.emplace_back("Content-Type", kContentType);
    response.headers.emplace_back("Cache-Control", "no-store");
    response.body = body_of(fault);
    return response;
}

// The input is made in the call's memory: between memories, JSON is copied.
Call make_call(const http::Request& request, Time now) {
    const json::storage_ptr memory = cleansing_memory();
    return Call{.request_id = new_uuid(),
                .operation = {},
                .caller = {},
                .source_address = request.peer.address,
                .secure = request.peer.secure,
                .now = now,
                .memory = memory,
                .input = json::object(memory),
                .notes = {}};
}

SecretBytes copy_of(const SecretBytes& secret) {
    const ByteView view = secret.view();
    return SecretBytes(Bytes(view.begin(), view.end()));
}

SecretBytes copy_of(std::string_view text) {
    return SecretBytes(Bytes(text.begin(), text.end()));
}

}  // namespace

// Claimed: the caller that a request names, before its signature has been looked at.
struct Front::Claimed {
    std::shared_ptr<const KnownCaller> user;
    std::optional<OpenedSession> session;
};

// Exchange: one request on its way through the front.
struct Front::Exchange {
    Exchange(const http::Request& of, Time now) : request(of), call(make_call(of, now)) {}

    const http::Request& request;
    std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
    Call call;
    const Operation* operation = nullptr;
    std::string claimed_access_key;
    std::optional<Fault> fault;
};

Front::Front(Core& core, AuditLog& audit, AccessLog& access_log, FrontOptions options)
    : core_(core),
      audit_(audit),
      access_log_(access_log),
      options_(std::move(options)),
      throttle_(options_.requests_per_second, options_.burst),
      signing_keys_(options_.signing_keys) {
    if (!options_.clock) {
        options_.clock = [] {
            return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
        };
    }
}

http::Response Front::handle(const http::Request& request) {
    const std::string_view path = without_query(request.target);
    const bool only_metrics = options_.only_metrics.contains(request.peer.listener);
    if (request.method == "GET" && path == "/health") {
        return health();
    }
    if (request.method == "GET" && path == "/metrics" &&
        options_.metrics_listeners.contains(request.peer.listener)) {
        return metrics();
    }
    if (request.method == "POST" && path == "/" && !only_metrics) {
        return answer_call(request);
    }
    Exchange exchange(request, options_.clock());
    exchange.fault = Fault{KmsErrc::unknown_operation, "There is nothing here."};
    http::Response response = fault_response(*exchange.fault, exchange.call.request_id);
    response.status = kNotFound;
    note(exchange, response);
    return response;
}

http::Response Front::refuse(const http::Refusal& refusal) {
    http::Request none;
    if (refusal.peer != nullptr) {
        none.peer = *refusal.peer;
    }
    Exchange exchange(none, options_.clock());
    constexpr int kServerFaults = 500;
    const KmsErrc code =
        refusal.status == kServerFaults ? KmsErrc::internal : KmsErrc::serialization;
    exchange.fault = Fault{code, std::string(refusal.reason)};
    http::Response response = fault_response(*exchange.fault, exchange.call.request_id);
    response.status = refusal.status;
    note(exchange, response);
    return response;
}

http::Response Front::answer_call(const http::Request& request) {
    Exchange exchange(request, options_.clock());
    Call& call = exchange.call;
    Result<std::string> body = Error(KmsErrc::internal, "");
    try {
        body = perform_call(exchange);
    } catch (const std::exception& error) {
        call.notes.refusal = std::string("exception: ") + error.what();
    }
    if (!body) {
        exchange.fault = fault_of(body.error());
        if (call.notes.refusal.empty() && exchange.fault->message != body.error().detail()) {
            call.notes.refusal = body.error().message();
        }
    }
    if (!write_audit(exchange)) {
        exchange.fault = Fault{KmsErrc::internal, ""};
        if (body) {
            http::forget(*body);
        }
    }
    http::Response response;
    if (exchange.fault) {
        response = fault_response(*exchange.fault, call.request_id);
    } else {
        response.headers.emplace_back("x-amzn-RequestId", call.request_id);
        response.headers.emplace_back("Content-Type", kContentType);
        response.headers.emplace_back("Cache-Control", "no-store");
        response.body = std::move(*body);
    }
    note(exchange, response);
    return response;
}

// look_up finds what a signature is verified with: a user's secret, or that of the session that a
// token tells of. A token with a permanent access key opens for nobody.
Result<std::optional<sigv4::Known>> Front::look_up(const http::Request& request,
                                                   std::string_view access_key_id,
                                                   Claimed& claimed) {
    const std::string* token = http::find_header(request.headers, "x-amz-security-token");
    if (token != nullptr) {
        CASEMATE_TRY(claimed.session, open_session(core_.vault, access_key_id, *token));
        if (!claimed.session) {
            return std::optional<sigv4::Known>();
        }
        access_key_id = claimed.session->user_access_key_id;
    }
    CASEMATE_TRY(claimed.user, core_.keyring.caller(access_key_id));
    if (!claimed.user) {
        return std::optional<sigv4::Known>();
    }
    if (!claimed.session) {
        return std::optional(
            sigv4::Known{.secret = copy_of(claimed.user->secret), .session_token = {}});
    }
    return std::optional(
        sigv4::Known{.secret = copy_of(claimed.session->secret), .session_token = copy_of(*token)});
}

Result<> Front::authenticate(Exchange& exchange) {
    const http::Request& request = exchange.request;
    Call& call = exchange.call;
    Claimed claimed;
    const sigv4::Lookup lookup = [&](std::string_view access_key_id) {
        exchange.claimed_access_key = access_key_id;
        return look_up(request, access_key_id, claimed);
    };
    const sigv4::RequestView view{.method = request.method,
                                  .target = request.target,
                                  .headers = request.headers,
                                  .body = as_bytes(request.body)};
    const auto signer = sigv4::verify(
        view, lookup, {.service = "kms", .region = core_.region(), .window = options_.window},
        call.now, &signing_keys_);
    if (!signer) {
        const Fault fault = fault_of_signature(signer.error());
        call.notes.refusal = signer.error().message();
        return Error(fault.code, fault.message);
    }
    if (!claimed.session) {
        call.caller = claimed.user->caller;
        return {};
    }
    // Told only to who has signed with it.
    if (claimed.session->expires <= call.now) {
        call.notes.refusal = "expected a session that lasts, found that it ended at " +
                             codec::format_rfc3339(claimed.session->expires);
        return Error(KmsErrc::expired_token,
                     "The security token included in the request is expired");
    }
    CASEMATE_TRY(call.caller,
                 caller_of(claimed.user->caller, signer->access_key_id, *claimed.session));
    return {};
}

Result<> Front::read_target(Exchange& exchange) {
    const http::Headers& headers = exchange.request.headers;
    const std::string* target = http::find_header(headers, "x-amz-target");
    const std::string* type = http::find_header(headers, "content-type");
    if (target == nullptr || type == nullptr || !is_json(*type)) {
        return Error(
            KmsErrc::unknown_operation,
            "expected the headers X-Amz-Target and Content-Type: " + std::string(kContentType));
    }
    const std::string_view name = *target;
    if (name.starts_with(kTargetPrefix)) {
        exchange.operation = find_operation(name.substr(kTargetPrefix.size()));
    }
    if (exchange.operation == nullptr) {
        return Error(KmsErrc::unknown_operation, "");
    }
    exchange.call.operation = exchange.operation->name;
    return {};
}

Result<std::string> Front::perform_call(Exchange& exchange) {
    Call& call = exchange.call;
    if (!audit_healthy_) {
        call.notes.refusal = "the audit log can't be written";
        return Error(KmsErrc::internal, "");
    }
    CASEMATE_CHECK(authenticate(exchange));
    if (!throttle_.admit(call.caller.access_key_id, std::chrono::steady_clock::now())) {
        metrics_.count_throttled();
        return Error(KmsErrc::throttling,
                     "You have exceeded the rate at which you may call KMS. Reduce the frequency "
                     "of your calls.");
    }
    CASEMATE_CHECK(read_target(exchange));
    CASEMATE_TRY(call.input, parse_object(exchange.request.body, call.memory));
    const Result<Answer> answer = perform(core_, call);
    if (const json::value* recipient = call.input.if_contains("Recipient");
        recipient != nullptr && !recipient->is_null()) {
        using Outcome = Metrics::RecipientOutcome;
        metrics_.count_recipient(call.notes.recipient ? Outcome::verified : Outcome::refused);
    }
    if (!answer) {
        return answer.error();
    }
    return serialize_secret(*answer);
}

bool Front::write_audit(const Exchange& exchange) {
    Audited audited;
    audited.call = &exchange.call;
    audited.request = &exchange.request;
    audited.operation = exchange.operation;
    audited.region = core_.region();
    audited.claimed_access_key = exchange.claimed_access_key;
    audited.fault = exchange.fault;
    const auto written = audit_.append(audit_entry(audited));
    if (written) {
        return true;
    }
    if (audit_healthy_.exchange(false)) {
        access_log_.say(exchange.call.now, "no request is answered any more: the audit log: " +
                                               written.error().message());
    }
    return false;
}

void Front::note(const Exchange& exchange, const http::Response& response) {
    const Call& call = exchange.call;
    const auto duration = std::chrono::steady_clock::now() - exchange.began;
    std::optional<KmsErrc> code;
    if (exchange.fault) {
        code = exchange.fault->code;
    }
    metrics_.count_request(exchange.operation, code, duration);
    AccessEntry entry;
    entry.time = call.now;
    entry.request_id = call.request_id;
    entry.operation = call.operation;
    entry.caller = call.caller.arn;
    entry.access_key_id =
        call.caller.arn.empty() ? exchange.claimed_access_key : call.caller.access_key_id;
    entry.source = exchange.request.peer.address.value_or("");
    entry.listener = exchange.request.peer.listener;
    entry.status = response.status;
    if (exchange.fault) {
        entry.error = type_of(exchange.fault->code);
        entry.reason = call.notes.refusal.empty() ? exchange.fault->message : call.notes.refusal;
    }
    entry.bytes_in = exchange.request.body.size();
    entry.bytes_out = response.body.size();
    entry.duration = duration;
    access_log_.write(entry);
}

Gauges Front::gauges() {
    Gauges out;
    out.store_healthy = core_.repository.check().ok();
    const std::array<std::uint8_t, 16> probe{};
    constexpr std::string_view kBinding = "health";
    const auto wrapped = core_.vault.wrap(probe, kBinding);
    out.vault_healthy = wrapped && core_.vault.unwrap(*wrapped, kBinding).ok();
    out.audit_healthy = audit_healthy_;
    out.audit_sequence = audit_.head().sequence;
    out.server_certificate_end = certificate_end_;
    if (const http::Server* server = server_; server != nullptr) {
        out.http = server->statistics();
    }
    return out;
}

http::Response Front::health() {
    const Gauges found = gauges();
    const bool healthy = found.store_healthy && found.vault_healthy && found.audit_healthy;
    const auto word = [](bool good) { return good ? "\"ok\"" : "\"failed\""; };
    std::string body = "{\"status\":" + std::string(word(healthy));
    body += ",\"store\":" + std::string(word(found.store_healthy));
    body += ",\"vault\":" + std::string(word(found.vault_healthy));
    body += ",\"audit\":" + std::string(word(found.audit_healthy)) + "}\n";
    return text_response(healthy ? 200 : kUnavailable, "application/json", std::move(body));
}

http::Response Front::metrics() {
    return text_response(200, "text/plain; version=0.0.4; charset=utf-8", metrics_.text(gauges()));
}

}  // namespace casemate::kms::service
