#include "attestation/testing/cases.hpp"

namespace casemate::attestation::forger {

namespace {

using enum AttestationErrc;
using std::chrono::hours;
using std::chrono::seconds;

constexpr std::array kNames{"root", "region", "zone", "instance", "leaf"};

// An RSA key of 2,048 bits.
constexpr std::string_view kRsaKey =
    "30820122300d06092a864886f70d01010105000382010f003082010a0282010100bd263d20cb267e5602fd35f0ed81"
    "c6d9d242cf8fac9c29f2330cb1e621c79334204d13c03f98ac0241951bec64793a146f6144f60a56df2695a1c23929"
    "b5b161d142dbbeb70221b432368e266ef9e59de67c02f42c767f30fc6df7d58c1073b8a88fc81ae563fe8fe3ecfff1"
    "5f3ab2c9442d090842f84a65754bf56f4cc58304c4433a325da271ba45efae74d76a1a7de5b3683066eb58deaa2859"
    "0a922bb35978a01833e5d70e8446f561d322715fa78440f3a261ddabf64e361fd34614bfba17f73e6e194587aca0bc"
    "2bf9d51a9e80684c99bccd79c0698ed8f303ee762ff459617cc0e5eb5a2b6661053e183a9554c3e73fc7755d4ca19b"
    "ab7514f4d705c70203010001";

using Alter = std::function<void(Forgery&)>;
using AlterOne = std::function<void(ForgedCertificate&)>;

Alter at(std::size_t position, AlterOne alter) {
    return [position, alter](Forgery& forgery) { alter(forgery.certificates[position]); };
}

AlterOne signed_part(std::function<void(Bytes&)> edit) {
    return [edit](ForgedCertificate& one) { one.edit_signed_part = edit; };
}

AlterOne extensions(std::function<void(Extensions&)> edit) {
    return signed_part([edit](Bytes& part) { edit_extensions(part, edit); });
}

AlterOne whole(std::function<void(Bytes&)> edit) {
    return [edit](ForgedCertificate& one) { one.edit = edit; };
}

AlterOne without_extension(std::uint8_t number) {
    return extensions([number](Extensions& all) {
        std::erase_if(all, [&](const Bytes& one) { return is_extension(one, number); });
    });
}

AlterOne valid(seconds from, seconds until) {
    return [from, until](ForgedCertificate& one) {
        one.what.not_before = kMade + from;
        one.what.not_after = kMade + until;
    };
}

Alter arranged(std::function<void(std::vector<Bytes>&, Bytes&)> rearrange) {
    return [rearrange](Forgery& forgery) { forgery.rearrange = rearrange; };
}

// What can be wrong with any certificate below the root.
std::vector<Case> cases_of_any(std::size_t position) {
    const std::string name = kNames[position];
    const std::string place = "certificate " + std::to_string(position + 1) + " of 5";
    const Bytes sha384{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
    const Bytes sha256{0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
    return {
        {name + "_cut", malformed_certificate, place,
         at(position, whole([](Bytes& der) { der.pop_back(); }))},
        {name + "_trailing_byte", malformed_certificate, place,
         at(position, whole([](Bytes& der) { der.push_back(0); }))},
        {name + "_garbage", malformed_certificate, place, at(position, whole([](Bytes& der) {
                                                                 der = {1, 2, 3};
                                                             }))},
        {name + "_in_ber", malformed_certificate, place,
         at(position, whole([](Bytes& der) {
                der = join({{0x30, 0x83, 0x00}, Bytes(der.begin() + 2, der.end())});
            }))},
        {name + "_version_2", malformed_certificate, "expected version 3, found 2",
         at(position, signed_part(make_version_2))},
        {name + "_version_2_with_extensions", malformed_certificate, place,
         at(position, signed_part([](Bytes& part) {
                replace(part, {0xa0, 3, 2, 1, 2}, {0xa0, 3, 2, 1, 1});
            }))},
        {name + "_extension_twice", malformed_certificate, "twice",
         at(position, extensions([](Extensions& all) { all.push_back(all.front()); }))},
        {name + "_bad_basic_constraints", malformed_certificate, place,
         at(position, extensions([](Extensions& all) {
                all[0] = extension(kBasicConstraints, true, Bytes{0x05, 0x00});
            }))},
        {name + "_of_another_issuer", broken_chain, "CN=somebody else",
         at(position,
            [](ForgedCertificate& one) {
                one.issuer = name_in("Casemate", {"kvm"}, "somebody else");
            })},
        {name + "_ecdsa_with_sha256", wrong_certificate_algorithm, "found ecdsa-with-SHA256",
         at(position, signed_part([=](Bytes& part) { replace(part, sha384, sha256); }))},
        {name + "_unknown_critical", unknown_critical_extension, "found 2.5.29.36",
         at(position, extensions([](Extensions& all) {
                all.push_back(extension(kPolicyConstraints, true, Bytes{0x30, 0x00}));
            }))},
        {name + "_signature_bit", bad_certificate_signature, place,
         at(position, whole([](Bytes& der) { der.back() ^= 1U; }))},
        {name + "_signed_by_a_stranger", bad_certificate_signature, place,
         at(position, [](ForgedCertificate& one) { one.signer = kStranger; })},
        {name + "_signed_by_itself", bad_certificate_signature, place,
         at(position, [=](ForgedCertificate& one) { one.signer = position; })},
        {name + "_changed_after_signing", bad_certificate_signature, place,
         at(position, whole([=](Bytes& der) {
                const auto number = static_cast<std::uint8_t>(position);
                replace(der, {0x02, 0x02, 0x01, number}, {0x02, 0x02, 0x07, number});
            }))},
    };
}

// The times of any certificate, the root's too.
std::vector<Case> time_cases(std::size_t position) {
    const std::string name = kNames[position];
    const bool trusted = position == kRoot;
    return {
        {name + "_expired",
         expired,
         "found one that is until 2026-09-21T14:13:19Z",
         at(position, valid(hours(-1), seconds(-1))),
         {},
         trusted},
        {name + "_not_yet_valid",
         not_yet_valid,
         "found one that is not before 2026-09-21T14:13:22Z",
         at(position, valid(seconds(2), hours(1))),
         {},
         trusted},
    };
}

std::vector<Case> cases_of_ca(std::size_t position) {
    const std::string name = kNames[position];
    return {
        {name + "_not_a_ca", not_a_ca, "found CA:FALSE",
         at(position,
            [](ForgedCertificate& one) {
                one.what.is_ca = false;
                one.what.path_length.reset();
            })},
        {name + "_without_basic_constraints", not_a_ca, "found none",
         at(position, without_extension(kBasicConstraints))},
        {name + "_basic_constraints_not_critical", not_a_ca, "not critical",
         at(position, extensions([](Extensions& all) {
                all[0] = extension(kBasicConstraints, false, Bytes{0x30, 0x03, 0x01, 0x01, 0xff});
            }))},
        {name + "_p256", wrong_certificate_algorithm, "found P-256",
         at(position, [](ForgedCertificate& one) { one.curve = crypto::Curve::p256; })},
        {name + "_p521", wrong_certificate_algorithm, "found P-521",
         at(position, [](ForgedCertificate& one) { one.curve = crypto::Curve::p521; })},
        {name + "_rsa", wrong_certificate_algorithm, "another kind",
         at(position, [](ForgedCertificate& one) { one.subject_key = from_hex(kRsaKey); })},
        {name + "_no_cert_sign", no_cert_sign, "found it without",
         at(position,
            [](ForgedCertificate& one) {
                one.what.key_usage = crypto::kDigitalSignature | crypto::kCrlSign;
            })},
        {name + "_without_key_usage", no_cert_sign, "found no key usage",
         at(position, without_extension(kKeyUsage))},
    };
}

// leaf_on puts the leaf's key on another curve; the document's signature keeps the right size.
Alter leaf_on(crypto::Curve curve) {
    return [curve](Forgery& forgery) {
        forgery.certificates[kLeaf].curve = curve;
        forgery.edit_signature = [](Bytes& signature) { signature.resize(96); };
    };
}

std::vector<Case> cases_of_leaf() {
    return {
        {"leaf_ca", leaf_is_ca, "found CA:TRUE",
         at(kLeaf, [](ForgedCertificate& one) { one.what.is_ca = true; })},
        {"leaf_with_cert_sign", leaf_is_ca, "found keyCertSign",
         at(kLeaf,
            [](ForgedCertificate& one) {
                one.what.key_usage = crypto::kDigitalSignature | crypto::kKeyCertSign;
            })},
        {"leaf_no_digital_signature", no_digital_signature, "found it without",
         at(kLeaf, [](ForgedCertificate& one) { one.what.key_usage = crypto::kNonRepudiation; })},
        {"leaf_without_key_usage", no_digital_signature, "found no key usage",
         at(kLeaf, without_extension(kKeyUsage))},
        {"leaf_p256", wrong_leaf_key, "found P-256", leaf_on(crypto::Curve::p256)},
        {"leaf_p521", wrong_leaf_key, "found P-521", leaf_on(crypto::Curve::p521)},
        {"leaf_rsa", wrong_leaf_key, "another kind",
         at(kLeaf, [](ForgedCertificate& one) { one.subject_key = from_hex(kRsaKey); })},
    };
}

Case path_case(const std::string& name, std::size_t position, std::uint32_t length,
               const std::string& says) {
    return {name, path_too_long,
            says, at(position, [=](ForgedCertificate& one) { one.what.path_length = length; }),
            {},   position == kRoot};
}

// extra is a CA that the instance has made, with every right that it can give.
Bytes extra_ca(const Forgery& forgery) {
    crypto::CertificateTemplate what = forgery.certificates[kInstance].what;
    what.subject = name_in("Casemate", {"kvm"}, "one too many");
    return issue_once(what, key_of(kStranger).public_key(),
                      forgery.certificates[kInstance].what.subject, key_of(kInstance));
}

void root_of_a_stranger(Forgery& forgery) {
    forgery.certificates[kRoot].subject_key = key_of(kStranger).public_key().spki();
    forgery.certificates[kRoot].signer = kStranger;
    forgery.certificates[kRegion].signer = kStranger;
}

std::vector<Case> root_cases() {
    return {
        {"self_made_root", untrusted_root, "found another",
         [](Forgery& forgery) {
             root_of_a_stranger(forgery);
             forgery.certificates[kRoot].what.subject =
                 name_in("Nobody", {"Nobody"}, "my own root");
         }},
        {"same_name_root", untrusted_root, "0011223344556677.casemate-enclaves (SHA-256",
         root_of_a_stranger},
        {"same_name_and_key_root", untrusted_root, "found another",
         at(kRoot, [](ForgedCertificate& one) { one.what.serial = {0x02}; })},
        {"root_bit", untrusted_root, "found another",
         at(kRoot, whole([](Bytes& der) { der.back() ^= 1U; }))},
        {"root_garbage", untrusted_root, "found another", at(kRoot, whole([](Bytes& der) {
                                                                 der = {1, 2, 3};
                                                             }))},
        {"without_root", untrusted_root, "certificate 1 of 4",
         arranged([](std::vector<Bytes>& bundle, Bytes&) { bundle.erase(bundle.begin()); })},
        {"bundle_leaf_first", untrusted_root, "certificate 1 of 5",
         arranged([](std::vector<Bytes>& bundle, Bytes&) {
             std::reverse(bundle.begin(), bundle.end());
         })},
    };
}

}  // namespace

std::vector<Case> certificate_cases() {
    std::vector<Case> cases = cases_of_leaf();
    const auto add = [&](std::vector<Case> more) {
        cases.insert(cases.end(), more.begin(), more.end());
    };
    for (std::size_t position = kRegion; position < kPositions; ++position) {
        add(cases_of_any(position));
    }
    for (std::size_t position = kRoot; position < kPositions; ++position) {
        add(time_cases(position));
    }
    for (std::size_t position = kRegion; position < kLeaf; ++position) {
        add(cases_of_ca(position));
    }
    return cases;
}

std::vector<Case> chain_cases() {
    std::vector<Case> cases = root_cases();
    const auto add_at = [](std::size_t place, std::size_t which) {
        return arranged([=](std::vector<Bytes>& bundle, Bytes& leaf) {
            const Bytes extra = which == kLeaf ? leaf : bundle[which];
            bundle.insert(bundle.begin() + static_cast<std::ptrdiff_t>(place), extra);
        });
    };
    const auto leave_out = [](std::size_t which) {
        return arranged([=](std::vector<Bytes>& bundle, Bytes&) {
            bundle.erase(bundle.begin() + static_cast<std::ptrdiff_t>(which));
        });
    };
    cases.insert(
        cases.end(),
        {
            path_case("root_path_length_0", kRoot, 0, "certificate 2 of 5"),
            path_case("root_path_length_1", kRoot, 1, "certificate 3 of 5"),
            path_case("root_path_length_2", kRoot, 2, "certificate 4 of 5"),
            path_case("region_path_length_0", kRegion, 0, "certificate 3 of 5"),
            path_case("region_path_length_1", kRegion, 1, "certificate 4 of 5"),
            path_case("zone_path_length_0", kZone, 0, "certificate 4 of 5"),
            {"extra_ca_below_the_instance", path_too_long, "certificate 5 of 6 (one too many)",
             [](Forgery& forgery) {
                 const Bytes extra = extra_ca(forgery);
                 forgery.certificates[kLeaf].signer = kStranger;
                 forgery.certificates[kLeaf].issuer = name_in("Casemate", {"kvm"}, "one too many");
                 forgery.rearrange = [extra](std::vector<Bytes>& bundle, Bytes&) {
                     bundle.push_back(extra);
                 };
             }},
            {"region_and_zone_swapped", broken_chain, "certificate 2 of 5 (2211223344556677.zonal",
             arranged([](std::vector<Bytes>& bundle, Bytes&) { std::swap(bundle[1], bundle[2]); })},
            {"zone_and_instance_swapped", broken_chain, "certificate 3 of 5 (i-0123456789abcdef0",
             arranged([](std::vector<Bytes>& bundle, Bytes&) { std::swap(bundle[2], bundle[3]); })},
            {"root_twice", broken_chain, "its own issuer", add_at(1, kRoot)},
            {"region_twice", broken_chain, "certificate 3 of 6", add_at(2, kRegion)},
            {"zone_twice", broken_chain, "certificate 4 of 6", add_at(3, kZone)},
            {"root_at_the_end", broken_chain, "certificate 5 of 6", add_at(4, kRoot)},
            {"leaf_in_the_bundle", not_a_ca, "certificate 5 of 6", add_at(4, kLeaf)},
            {"without_region", broken_chain, "certificate 2 of 4", leave_out(kRegion)},
            {"without_zone", broken_chain, "certificate 3 of 4", leave_out(kZone)},
            {"without_instance", broken_chain, "certificate 4 of 4", leave_out(kInstance)},
            {"root_alone", broken_chain, "certificate 2 of 2",
             arranged([](std::vector<Bytes>& bundle, Bytes&) { bundle.resize(1); })},
            {"instance_as_leaf", leaf_is_ca, "certificate 4 of 4 (i-0123456789abcdef0",
             arranged([](std::vector<Bytes>& bundle, Bytes& leaf) {
                 leaf = bundle.back();
                 bundle.pop_back();
             })},
        });
    return cases;
}

}  // namespace casemate::attestation::forger
