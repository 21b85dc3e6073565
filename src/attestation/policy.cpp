#include "attestation/policy.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace casemate::attestation {

void ExpectedPcrs::require(std::uint16_t index, const std::set<PcrValue>& values) {
    if (alternatives_.empty()) {
        alternatives_.emplace_back();
    }
    for (Alternative& alternative : alternatives_) {
        const auto [accepted, is_new] = alternative.try_emplace(index, values);
        if (!is_new) {
            std::set<PcrValue> both;
            std::set_intersection(accepted->second.begin(), accepted->second.end(), values.begin(),
                                  values.end(), std::inserter(both, both.end()));
            accepted->second = std::move(both);
        }
    }
}

void ExpectedPcrs::add_alternative(Alternative alternative) {
    alternatives_.push_back(std::move(alternative));
}

}  // namespace casemate::attestation
