// Core: what all operations share.
#pragma once

#include <string>

#include "kms/core/keyring.hpp"
#include "kms/core/trust.hpp"
#include "kms/store/repository.hpp"
#include "kms/vault/vault.hpp"

namespace casemate::kms {

// Borrowed by all calls; each part may be used from any thread.
struct Core {
    Repository& repository;
    const Vault& vault;
    Keyring& keyring;
    Trust& trust;

    [[nodiscard]] const std::string& region() const { return keyring.region(); }
};

// at_edge turns an error of a room below into one of KMS: what is the caller's business keeps its
// code and sentence; the store's unavailability is dependency_timeout, everything else internal,
// both without the sentence, which belongs into the log.
[[nodiscard]] Error at_edge(const Error& error);

}  // namespace casemate::kms
