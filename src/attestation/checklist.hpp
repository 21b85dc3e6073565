// Checklist: checks done one after the other until one refuses, and told in a Report.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "attestation/verifier.hpp"

namespace casemate::attestation {

// Finding: what a check that did not refuse has found.
struct Finding {
    std::string text;
    Step::Outcome outcome = Step::Outcome::passed;
};

// not_asked is the finding of a check that nobody wants.
[[nodiscard]] inline Finding not_asked(std::string why) {
    return {std::move(why), Step::Outcome::not_asked};
}

class Checklist {
public:
    // report may be null; else it is emptied and gets every step.
    explicit Checklist(Report* report) : report_(report) {
        if (report_ != nullptr) {
            report_->clear();
        }
    }

    // explains tells whether anybody reads the report: all steps have to be named then.
    [[nodiscard]] bool explains() const { return report_ != nullptr; }
    [[nodiscard]] bool refused() const { return refusal_.has_value(); }
    // refusal is the first one. Only after refused().
    [[nodiscard]] const Error& refusal() const { return *refusal_; }

    // about names what the next steps are about, for their titles and their refusals.
    void about(std::string subject) { subject_ = std::move(subject); }

    // step calls check, which returns a Result<Finding>, unless an earlier step has refused.
    template <class Check>
    void step(std::string_view title, Check&& check) {
        if (refused()) {
            record(title, Step::Outcome::not_reached, {});
            return;
        }
        Result<Finding> result = std::forward<Check>(check)();
        if (result) {
            record(title, result->outcome, std::move(result->text));
            return;
        }
        refusal_ = subject_.empty() ? std::move(result).error()
                                    : std::move(result).error().while_doing(subject_);
        record(title, Step::Outcome::failed, refusal_->message());
    }

private:
    void record(std::string_view title, Step::Outcome outcome, std::string finding) {
        if (report_ != nullptr) {
            const std::string subject = subject_.empty() ? "" : subject_ + ": ";
            report_->push_back({subject + std::string(title), outcome, std::move(finding)});
        }
    }

    Report* report_;
    std::string subject_;
    std::optional<Error> refusal_;
};

}  // namespace casemate::attestation
