// Front: HTTP requests in, KMS's operations, HTTP responses out.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "http/server.hpp"
#include "kms/audit/audit_log.hpp"
#include "kms/core/core.hpp"
#include "kms/operations/operation.hpp"
#include "kms/service/access_log.hpp"
#include "kms/service/error.hpp"
#include "kms/service/metrics.hpp"
#include "kms/service/throttle.hpp"
#include "sigv4/signing_key.hpp"
#include "sigv4/verify.hpp"

namespace casemate::kms::service {

struct FrontOptions {
    // window: how far a request's date may be from now.
    std::chrono::seconds window = std::chrono::minutes(5);
    // requests_per_second of one access key; 0: any number. burst: so many at once.
    double requests_per_second = 0;
    double burst = 1;
    // metrics_listeners: where GET /metrics is answered. only_metrics: listeners for nothing else
    // but GET /metrics and /health.
    std::set<std::string> metrics_listeners;
    std::set<std::string> only_metrics;
    // signing_keys: how many are kept derived.
    std::size_t signing_keys = 10'000;
    // clock tells the time.
    std::function<Time()> clock;
};

// Everything that is given by reference outlives the front. All functions may be called from any
// thread.
class Front {
public:
    Front(Core& core, AuditLog& audit, AccessLog& access_log, FrontOptions options);

    // handle answers a request:
    //   POST /        KMS's JSON 1.1 protocol, signed with Signature Version 4;
    //   GET /health   whether store, vault and audit log work: 200 or 503;
    //   GET /metrics  Prometheus' text.
    // Each POST / is one line of the audit log before it is answered; where that can't be written,
    // it is answered with KMSInternalException and nothing else, and from then on nothing is done
    // any more.
    [[nodiscard]] http::Response handle(const http::Request& request);
    // refuse makes the answer to what the HTTP server refuses.
    [[nodiscard]] http::Response refuse(const http::Refusal& refusal);

    // set_server says whose connections the metrics tell of; nullptr: nobody's.
    void set_server(const http::Server* server) { server_ = server; }
    void set_certificate_end(std::int64_t seconds) { certificate_end_ = seconds; }

private:
    struct Claimed;
    struct Exchange;

    [[nodiscard]] http::Response answer_call(const http::Request& request);
    [[nodiscard]] Result<std::string> perform_call(Exchange& exchange);
    [[nodiscard]] Result<std::optional<sigv4::Known>> look_up(const http::Request& request,
                                                              std::string_view access_key_id,
                                                              Claimed& claimed);
    [[nodiscard]] Result<> authenticate(Exchange& exchange);
    [[nodiscard]] Result<> read_target(Exchange& exchange);
    [[nodiscard]] bool write_audit(const Exchange& exchange);
    void note(const Exchange& exchange, const http::Response& response);

    [[nodiscard]] http::Response health();
    [[nodiscard]] http::Response metrics();
    [[nodiscard]] Gauges gauges();

    Core& core_;
    AuditLog& audit_;
    AccessLog& access_log_;
    FrontOptions options_;
    Metrics metrics_;
    Throttle throttle_;
    sigv4::SigningKeyCache signing_keys_;
    std::atomic<bool> audit_healthy_{true};
    std::atomic<const http::Server*> server_{nullptr};
    std::atomic<std::int64_t> certificate_end_{0};
};

}  // namespace casemate::kms::service
