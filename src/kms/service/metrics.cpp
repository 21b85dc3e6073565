#include "kms/service/metrics.hpp"

#include <cstdio>
#include <string_view>

namespace casemate::kms::service {

namespace {

std::size_t place_of(const Operation* operation) {
    const auto all = all_operations();
    return operation == nullptr ? all.size() : static_cast<std::size_t>(operation - all.data());
}

std::string_view name_at(std::size_t place) {
    const auto all = all_operations();
    return place < all.size() ? all[place].name : std::string_view("none");
}

std::string number(double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.9g", value);
    return text.data();
}

void describe(std::string& out, std::string_view name, std::string_view type,
              std::string_view help) {
    out.append("# HELP ").append(name).append(" ").append(help).append("\n");
    out.append("# TYPE ").append(name).append(" ").append(type).append("\n");
}

void print(std::string& out, std::string_view name, std::string_view labels, std::uint64_t value) {
    out.append(name);
    if (!labels.empty()) {
        out.append("{").append(labels).append("}");
    }
    out.append(" ").append(std::to_string(value)).append("\n");
}

void print_one(std::string& out, std::string_view name, std::string_view type,
               std::string_view help, std::uint64_t value) {
    describe(out, name, type, help);
    print(out, name, "", value);
}

void print_connections(std::string& out, const http::Statistics& http) {
    print_one(out, "casemate_kms_connections", "gauge", "Connections that are open.", http.open);
    print_one(out, "casemate_kms_connections_idle", "gauge", "Connections that wait for a request.",
              http.idle);
    print_one(out, "casemate_kms_connections_accepted_total", "counter",
              "Connections that were accepted.", http.accepted);
    constexpr std::string_view kClosed = "casemate_kms_connections_closed_total";
    describe(out, kClosed, "counter", "Connections that were closed early, by reason.");
    print(out, kClosed, "reason=\"limit\"", http.refused_connections);
    print(out, kClosed, "reason=\"limit_of_address\"", http.refused_connections_of_address);
    print(out, kClosed, "reason=\"no_descriptors\"", http.accept_failures);
    print(out, kClosed, "reason=\"handshake\"", http.handshake_failures);
    print(out, kClosed, "reason=\"handshake_timeout\"", http.handshake_timeouts);
    print(out, kClosed, "reason=\"idle_timeout\"", http.idle_timeouts);
    print(out, kClosed, "reason=\"request_timeout\"", http.request_timeouts);
    print(out, kClosed, "reason=\"write_timeout\"", http.write_timeouts);
    print(out, kClosed, "reason=\"aborted\"", http.aborted);
    constexpr std::string_view kRefused = "casemate_kms_http_refused_total";
    describe(out, kRefused, "counter", "HTTP requests refused before any operation, by reason.");
    print(out, kRefused, "reason=\"malformed\"", http.bad_requests);
    print(out, kRefused, "reason=\"too_large\"", http.too_large);
    constexpr std::string_view kBytes = "casemate_kms_http_bytes_total";
    describe(out, kBytes, "counter", "Bytes of HTTP, before TLS.");
    print(out, kBytes, "direction=\"in\"", http.bytes_in);
    print(out, kBytes, "direction=\"out\"", http.bytes_out);
}

}  // namespace

Metrics::Metrics() : operations_(std::make_unique<OfOperation[]>(all_operations().size() + 1)) {
}

void Metrics::count_request(const Operation* operation, std::optional<KmsErrc> error,
                            Duration duration) {
    OfOperation& of = operations_[place_of(operation)];
    ++of.outcomes.at(error ? static_cast<std::size_t>(*error) + 1 : 0);
    const double seconds = std::chrono::duration<double>(duration).count();
    std::size_t bucket = 0;
    while (bucket < kBounds.size() && seconds > kBounds.at(bucket)) {
        ++bucket;
    }
    ++of.durations.at(bucket);
    of.nanoseconds += static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count());
}

void Metrics::count_recipient(RecipientOutcome outcome) {
    ++recipients_.at(static_cast<std::size_t>(outcome));
}

void Metrics::print_requests(std::string& out) const {
    constexpr std::string_view kName = "casemate_kms_requests_total";
    describe(out, kName, "counter", "Requests answered, by operation and error.");
    for (std::size_t i = 0; i <= all_operations().size(); ++i) {
        for (std::size_t outcome = 0; outcome < kOutcomes; ++outcome) {
            const std::uint64_t count = operations_[i].outcomes.at(outcome);
            if (count != 0) {
                const std::string_view error =
                    outcome == 0 ? "" : type_of(static_cast<KmsErrc>(outcome - 1));
                print(out, kName,
                      "operation=\"" + std::string(name_at(i)) + "\",error=\"" +
                          std::string(error) + "\"",
                      count);
            }
        }
    }
}

void Metrics::print_durations(std::string& out) const {
    const std::string name = "casemate_kms_request_duration_seconds";
    const std::string bucket_name = name + "_bucket";
    const std::string count_name = name + "_count";
    describe(out, name, "histogram", "From a request's last byte to its answer's first.");
    for (std::size_t i = 0; i <= all_operations().size(); ++i) {
        const OfOperation& of = operations_[i];
        const std::string label = "operation=\"" + std::string(name_at(i)) + "\"";
        std::uint64_t count = 0;
        std::string buckets;
        for (std::size_t bucket = 0; bucket <= kBounds.size(); ++bucket) {
            count += of.durations.at(bucket);
            std::string labels = label;
            labels.append(",le=\"")
                .append(bucket < kBounds.size() ? number(kBounds.at(bucket)) : "+Inf")
                .append("\"");
            print(buckets, bucket_name, labels, count);
        }
        if (count == 0) {
            continue;
        }
        constexpr double kNanosecond = 1e-9;
        out.append(buckets).append(name).append("_sum{").append(label).append("} ");
        out.append(number(static_cast<double>(of.nanoseconds) * kNanosecond)).append("\n");
        print(out, count_name, label, count);
    }
}

std::string Metrics::text(const Gauges& gauges) const {
    std::string out;
    print_requests(out);
    print_durations(out);
    constexpr std::string_view kRecipients = "casemate_kms_recipients_total";
    describe(out, kRecipients, "counter", "Requests with an attestation document, by outcome.");
    print(out, kRecipients, "outcome=\"verified\"", recipients_[0]);
    print(out, kRecipients, "outcome=\"refused\"", recipients_[1]);
    print_one(out, "casemate_kms_throttled_total", "counter",
              "Requests refused because their caller sent too many.", throttled_);
    constexpr std::string_view kHealth = "casemate_kms_healthy";
    describe(out, kHealth, "gauge", "1 where a part of the service works.");
    print(out, kHealth, "part=\"store\"", gauges.store_healthy ? 1 : 0);
    print(out, kHealth, "part=\"vault\"", gauges.vault_healthy ? 1 : 0);
    print(out, kHealth, "part=\"audit\"", gauges.audit_healthy ? 1 : 0);
    print_one(out, "casemate_kms_audit_sequence", "gauge", "Number of the audit log's last line.",
              gauges.audit_sequence);
    if (gauges.server_certificate_end > 0) {
        print_one(out, "casemate_kms_server_certificate_end_seconds", "gauge",
                  "When the server's certificate ends, in seconds since 1970.",
                  static_cast<std::uint64_t>(gauges.server_certificate_end));
    }
    if (gauges.http) {
        print_connections(out, *gauges.http);
    }
    return out;
}

}  // namespace casemate::kms::service
