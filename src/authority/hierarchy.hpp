// The hierarchy's levels: what the certificate of each says, for how long, and when it is renewed
// (formats.md 2.5).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "attestation/isolation.hpp"
#include "authority/instance.hpp"
#include "base/result.hpp"
#include "crypto/certificate.hpp"
#include "crypto/issue.hpp"

namespace casemate::authority {

enum class Rank : std::uint8_t { root, region, zone, instance };

// Place: one level's place in the hierarchy. Zones and instances exist once for each isolation with
// and without debug mode; the two members mean nothing above.
struct Place {
    Rank rank = Rank::root;
    attestation::Isolation isolation = attestation::Isolation::software;
    bool debug = false;
};

// all_places lists the ten places, parents first.
[[nodiscard]] std::vector<Place> all_places();

// file_name is "level-zone-kvm-debug.pem"; people_name is "zone (kvm, debug)".
[[nodiscard]] std::string file_name(const Place& place);
[[nodiscard]] std::string people_name(const Place& place);

// How much longer a level lives than what it issues, so that nothing ends below another's end.
inline constexpr std::chrono::hours kMargin{1};
// How long before now a leaf certificate begins.
inline constexpr std::chrono::seconds kLeafBackdate{3};
inline constexpr std::chrono::hours kLeafLife{3};

// child_life is how long from now on what a level issues is valid.
[[nodiscard]] std::chrono::seconds child_life(Rank rank);
// renewal_of is when a level with this end can't issue any more with the margin.
[[nodiscard]] crypto::Seconds renewal_of(Rank rank, crypto::Seconds not_after);

// subject_of names a level; number is the 16 hexadecimal digits in the names above the instance.
[[nodiscard]] crypto::Name subject_of(const Place& place, const Instance& instance,
                                      const std::string& number);
// leaf_subject names the certificate of an enclave's module.
[[nodiscard]] crypto::Name leaf_subject(const Place& place, const Instance& instance,
                                        const std::string& module_id);
// has_subject tells whether a name is subject_of with some number.
[[nodiscard]] bool has_subject(const crypto::Name& name, const Place& place,
                               const Instance& instance);
// readable_name is the name as people read it: "C=ZZ, O=Casemate, …".
[[nodiscard]] std::string readable_name(const crypto::Name& name);

// level_template is what a new certificate of a level says, from some time before now on, but not
// from before its parent's own time. Errors: Errno (no random numbers).
[[nodiscard]] Result<crypto::CertificateTemplate> level_template(
    const Place& place, const Instance& instance, crypto::Seconds now,
    std::optional<crypto::Seconds> parent_begin);

}  // namespace casemate::authority
