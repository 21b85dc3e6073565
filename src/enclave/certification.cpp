#include "enclave/certification.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "enclave/errors.hpp"
#include "enclave/registry.hpp"
#include "nsm/pcr_bank.hpp"

namespace casemate::enclave {

namespace {

using attestation::Isolation;
using authority::AuthorityErrc;

// The digits of a slot's number, which certificates have with zeros before them and nitro-cli's ids
// without.
std::string slot_digits(std::uint64_t slot_uid) {
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(slot_uid));
    return text.data();
}

Error not_certified(const Error& error) {
    const bool busy = error.is(AuthorityErrc::busy) || error.is(AuthorityErrc::out_of_time);
    return {busy ? EnclaveErrc::machine_refused : EnclaveErrc::file_operation,
            "the enclave could not be certified: " + error.message()};
}

}  // namespace

Result<authority::Instance> read_identity(const Paths& paths) {
    CASEMATE_CHECK(make_directories(paths));
    CASEMATE_CHECK(check_directories(paths));
    auto instance = authority::read_instance(paths.configuration + "/instance.yaml", paths.state);
    if (!instance) {
        return Error(EnclaveErrc::file_operation, instance.error().message());
    }
    return instance;
}

Certification::Certification(const Paths& paths, authority::Instance instance,
                             const std::string& id, Acceleration acceleration, bool debug)
    : directory_(paths.authority()), instance_(std::move(instance)) {
    request_.slot_uid = slot_uid_of(id);
    request_.module_id = instance_.instance_id + "-enc" + slot_digits(request_.slot_uid);
    request_.isolation =
        acceleration == Acceleration::software ? Isolation::software : Isolation::kvm;
    request_.debug = debug;
}

void Certification::identify(nsm::Load& load) const {
    load.module_id = request_.module_id;
    load.instance_id = instance_.instance_id;
    load.role_arn = instance_.role_arn;
}

std::map<std::uint16_t, std::string> Certification::attested(
    const std::map<std::uint16_t, std::string>& measurements) const {
    nsm::Load load;
    load.debug = request_.debug;
    identify(load);
    std::map<std::uint16_t, nsm::PcrValue> values;
    for (const auto& [index, text] : measurements) {
        const auto bytes = from_hex(text);
        if (bytes && bytes->size() == values[index].size()) {
            std::copy(bytes->begin(), bytes->end(), values[index].begin());
        }
    }
    constexpr std::uint16_t kLastOfBoot = 4;
    std::map<std::uint16_t, std::string> shown;
    for (const auto& [index, value] : nsm::PcrBank::at_boot(values, load).locked_values()) {
        if (index <= kLastOfBoot || measurements.count(index) != 0) {
            shown[index] = to_hex(value);
        }
    }
    return shown;
}

Result<Certification::Certified> Certification::certify(ByteView leaf_key,
                                                        std::chrono::milliseconds patience) const {
    using std::chrono::floor;
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    authority::Authority authority(directory_, instance_, patience);
    authority::LeafRequest request = request_;
    request.public_key.assign(leaf_key.begin(), leaf_key.end());
    auto issued = authority.certify(request, floor<seconds>(std::chrono::system_clock::now()));
    if (!issued) {
        return not_certified(issued.error());
    }
    Certified certified;
    certified.packet.leaf = std::move(issued->chain.leaf);
    certified.packet.bundle = std::move(issued->chain.bundle);
    certified.packet.valid_until_ms =
        milliseconds(issued->chain.valid_until.time_since_epoch()).count();
    if (issued->made_root) {
        certified.news = "Made this machine's attestation authority; its root certificate is " +
                         authority.root_path();
    }
    return certified;
}

}  // namespace casemate::enclave
