// A document verifies if and only if it is one of the seeds "genuine_*", with its tag or without;
// and whoever asks for the report is told the same.
//
// The seeds but AWS's were made by src/attestation/testing/forger.hpp under the first root below,
// whose key nobody has any more.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "attestation/verifier.hpp"
#include "crypto/digest.hpp"

namespace {

using casemate::Bytes;
using casemate::ByteView;
using casemate::attestation::Isolation;
using casemate::attestation::Policy;
using casemate::attestation::Report;
using casemate::attestation::Verifier;
using casemate::crypto::Certificate;

constexpr std::string_view kRoots = R"(-----BEGIN CERTIFICATE-----
MIICMjCCAbegAwIBAgICAQAwCgYIKoZIzj0EAwMwYDELMAkGA1UEBhMCWloxETAP
BgNVBAoMCENhc2VtYXRlMREwDwYDVQQLDAhDYXNlbWF0ZTErMCkGA1UEAwwiMDAx
MTIyMzM0NDU1NjY3Ny5jYXNlbWF0ZS1lbmNsYXZlczAgFw0yNTA5MjExNDEzMjBa
GA8yMDU1MDkxNDE1MTMyMFowYDELMAkGA1UEBhMCWloxETAPBgNVBAoMCENhc2Vt
YXRlMREwDwYDVQQLDAhDYXNlbWF0ZTErMCkGA1UEAwwiMDAxMTIyMzM0NDU1NjY3
Ny5jYXNlbWF0ZS1lbmNsYXZlczB2MBAGByqGSM49AgEGBSuBBAAiA2IABHRhXRLP
9prTHsHLxjcU5QYTr0Aw9VnR8nNQpnULuqLhqssJ2LAHirMXouUrOUzNMFFjDAlX
Kj8rttI63ENVVoODgSTAO3BHKzfvsexpcBZ7YoSZg4fDZMbUBHo9IizD0qNCMEAw
DwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUjorRBxEq8HsSpVL4o7s7czLADbIw
DgYDVR0PAQH/BAQDAgGGMAoGCCqGSM49BAMDA2kAMGYCMQDp3/w06QdOFfrpnYYx
bgCI2MLitIeQMPIVNUiO/egvvGlN0a6FNS7lFkQYck62tzICMQDkBY4heJwhO352
bCSc+VfHriCNuYAnk1mt4kZuaIbd22BUlo58+wUn7aGqKt1dXwc=
-----END CERTIFICATE-----
-----BEGIN CERTIFICATE-----
MIICETCCAZagAwIBAgIRAPkxdWgbkK/hHUbMtOTn+FYwCgYIKoZIzj0EAwMwSTEL
MAkGA1UEBhMCVVMxDzANBgNVBAoMBkFtYXpvbjEMMAoGA1UECwwDQVdTMRswGQYD
VQQDDBJhd3Mubml0cm8tZW5jbGF2ZXMwHhcNMTkxMDI4MTMyODA1WhcNNDkxMDI4
MTQyODA1WjBJMQswCQYDVQQGEwJVUzEPMA0GA1UECgwGQW1hem9uMQwwCgYDVQQL
DANBV1MxGzAZBgNVBAMMEmF3cy5uaXRyby1lbmNsYXZlczB2MBAGByqGSM49AgEG
BSuBBAAiA2IABPwCVOumCMHzaHDimtqQvkY4MpJzbolL//Zy2YlES1BR5TSksfbb
48C8WBoyt7F2Bw7eEtaaP+ohG2bnUs990d0JX28TcPQXCEPZ3BABIeTPYwEoCWZE
h8l5YoQwTcU/9KNCMEAwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUkCW1DdkF
R+eWw5b6cp3PmanfS5YwDgYDVR0PAQH/BAQDAgGGMAoGCCqGSM49BAMDA2kAMGYC
MQCjfy+Rocm9Xue4YnwWmNJVA44fA0P5W2OpYow9OYCVRaEevL8uO1XYru5xtMPW
rfMCMQCi85sWBbJwKKXdS6BptQFuZbT73o/gBh1qUxl/nNr12UO8Yfwr6wPLb+6N
IwLz3/Y=
-----END CERTIFICATE-----
)";

// SHA-256 of the genuine documents without their tag.
constexpr std::array<std::string_view, 6> kGenuine{
    "a72552688ab6de06b9039ebda2bd5ae9285860ec886f841da94351681dfb3eb6",
    "931edb16d3efd354c89dbcc2721733646a7f4b5632631687928d8be88b467873",
    "3e285f9f6ac539cbea06cb91bae0b2683ca5173ff785c733931fc26430db8b0f",
    "8b6adc6870de8b88b42151cc8411060b9aba7d8dcc23b5a61bbd2df850d54e46",
    "fafe9ca3d1ebded6acbfd1821ff142a6f9900ec460a88c53872e0568310b566b",
    "11e06cae98a37ef79f9927e5d6545e550c026f914079428bfa0d12a94cd49147"};

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

const Verifier& verifier() {
    static const Verifier kVerifier =
        Verifier::create(Certificate::all_from_pem(casemate::as_bytes(kRoots)).value()).value();
    return kVerifier;
}

// Everything that is genuine passes, so that no expectation hides a forgery.
Policy policy() {
    Policy policy;
    policy.now = std::chrono::sys_days(std::chrono::year(2040) / 1 / 1);
    policy.at_document_time = true;
    policy.allow_debug = true;
    policy.isolation = {Isolation::unknown, Isolation::software, Isolation::kvm, Isolation::nitro};
    return policy;
}

bool is_genuine(ByteView document) {
    constexpr std::uint8_t kTag = 0xd2;
    if (!document.empty() && document.front() == kTag) {
        document = document.subspan(1);
    }
    const std::string digest = casemate::to_hex(casemate::crypto::sha256(document));
    return std::find(kGenuine.begin(), kGenuine.end(), digest) != kGenuine.end();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ByteView document(data, size);
    const auto verified = verifier().verify(document, policy());
    require(verified.ok() == is_genuine(document));
    Report report;
    const auto told = verifier().verify(document, policy(), &report);
    require(told.ok() == verified.ok());
    require(told.ok() || told.error().message() == verified.error().message());
    require(!report.empty() && report.back().title == "measurements");
    return 0;
}
