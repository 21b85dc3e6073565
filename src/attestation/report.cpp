#include "attestation/report.hpp"

#include <boost/json.hpp>

namespace casemate::attestation {

std::string_view name_of(Step::Outcome outcome) {
    switch (outcome) {
        case Step::Outcome::passed:
            return "ok";
        case Step::Outcome::failed:
            return "failed";
        case Step::Outcome::not_asked:
            return "not asked";
        case Step::Outcome::not_reached:
            break;
    }
    return "not reached";
}

std::string report_json(const Report& report) {
    boost::json::array steps;
    for (const Step& step : report) {
        const std::string_view result = name_of(step.outcome);
        boost::json::object entry;
        entry["Step"] = step.title;
        entry["Result"] = boost::json::string_view(result.data(), result.size());
        entry["Finding"] = step.finding;
        steps.push_back(std::move(entry));
    }
    return boost::json::serialize(steps);
}

}  // namespace casemate::attestation
