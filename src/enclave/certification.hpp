// Certification: how an enclave's leaf key gets its certificate from this machine's authority
// (DESIGN section 4). The supervisor knows how it has isolated the enclave; the key's process does
// not, and never sees the authority.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "authority/authority.hpp"
#include "authority/instance.hpp"
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "enclave/configuration.hpp"
#include "enclave/paths.hpp"
#include "nsm/control.hpp"

namespace casemate::enclave {

// read_identity reads what this machine says of itself (CONFIGURATION/instance.yaml); the state
// directory is made when it is missing. Errors: EnclaveErrc::file_operation, Errno.
[[nodiscard]] Result<authority::Instance> read_identity(const Paths& paths);

class Certification {
public:
    // acceleration is the one in use, not `automatic`; id is the enclave's.
    Certification(const Paths& paths, authority::Instance instance, const std::string& id,
                  Acceleration acceleration, bool debug);

    // identify puts into load what the enclave is attested as: module, instance, role.
    void identify(nsm::Load& load) const;

    // attested gives the registers of the enclave's documents at its start, PCR0 to PCR4 and the
    // others that were measured. Registers are in hex.
    [[nodiscard]] std::map<std::uint16_t, std::string> attested(
        const std::map<std::uint16_t, std::string>& measurements) const;

    // certify has a leaf key certified now, for the life of the certificate. news is a sentence for
    // who started the enclave; empty: none. Errors: EnclaveErrc, whose sentence says what to do:
    // file_operation when the authority can't be used, machine_refused when it is busy or its root
    // has ended.
    struct Certified {
        nsm::Certified packet;
        std::string news;
    };
    [[nodiscard]] Result<Certified> certify(ByteView leaf_key,
                                            std::chrono::milliseconds patience) const;

private:
    std::string directory_;
    authority::Instance instance_;
    authority::LeafRequest request_;
};

}  // namespace casemate::enclave
