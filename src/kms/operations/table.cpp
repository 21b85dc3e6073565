// Every operation of the service, by its name.
#include <algorithm>
#include <array>

#include "kms/operations/operation.hpp"

namespace casemate::kms {

namespace {

// In the order of their names: find_operation searches by halves.
constexpr std::array<Operation, 0> kOperations{};

}  // namespace

std::span<const Operation> all_operations() {
    return kOperations;
}

const Operation* find_operation(std::string_view name) {
    const auto* found = std::lower_bound(
        kOperations.begin(), kOperations.end(), name,
        [](const Operation& operation, std::string_view text) { return operation.name < text; });
    return found != kOperations.end() && found->name == name ? found : nullptr;
}

}  // namespace casemate::kms
