#include "enclave/health.hpp"

namespace casemate::enclave {

std::string_view name_of(HealthState health) {
    switch (health) {
        case HealthState::starting:
            return "starting";
        case HealthState::healthy:
            return "healthy";
        case HealthState::unhealthy:
            return "unhealthy";
        case HealthState::unknown:
            return "unknown";
    }
    return "";
}

void HealthJudge::init_beats() {
    beats_ = settings_.silence_ms != 0;
    silence_ = milliseconds(0);
}

void HealthJudge::alive() {
    silence_ = milliseconds(0);
}

void HealthJudge::passed(milliseconds time) {
    silence_ += time;
}

void HealthJudge::probed(bool accepted, milliseconds age) {
    if (accepted) {
        accepted_once_ = true;
        refusals_ = 0;
    } else if (refusals_ < settings_.retries &&
               (accepted_once_ || age >= milliseconds(settings_.start_ms))) {
        ++refusals_;
    }
}

bool HealthJudge::silent() const {
    return beats_ && silence_ >= milliseconds(settings_.silence_ms);
}

bool HealthJudge::refusing() const {
    return settings_.port != 0 && refusals_ >= settings_.retries;
}

HealthState HealthJudge::health() const {
    if (silent() || refusing()) {
        return HealthState::unhealthy;
    }
    if (settings_.port != 0) {
        return accepted_once_ ? HealthState::healthy : HealthState::starting;
    }
    return beats_ ? HealthState::healthy : HealthState::unknown;
}

std::string HealthJudge::reason() const {
    if (silent()) {
        return "its init has not been heard of for " + std::to_string(settings_.silence_ms / 1000) +
               " s";
    }
    if (refusing()) {
        return "its port " + std::to_string(settings_.port) + " accepted none of " +
               std::to_string(settings_.retries) + " connections";
    }
    return "";
}

}  // namespace casemate::enclave
