// Authority: this machine's certificate hierarchy (formats.md 2.5): root → region → zone → instance
// → leaf, in one directory that its owner alone can read. There is no process behind it: who holds
// the directory's lock renews what is due.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "attestation/isolation.hpp"
#include "authority/error.hpp"
#include "authority/instance.hpp"
#include "base/result.hpp"
#include "crypto/certificate.hpp"
#include "crypto/digest.hpp"

namespace casemate::authority {

// Keys that are held by PKCS #11 tokens (RFC 7512 URIs); empty: in files of the store. The keys of
// zones and instances, which live for days, are always files.
struct TokenKeys {
    std::string root;
    std::string region;

    bool operator==(const TokenKeys&) const = default;
};

// LeafRequest: what one enclave's security module gets a certificate for.
struct LeafRequest {
    // DER SubjectPublicKeyInfo, P-384.
    Bytes public_key;
    // "<instance id>-enc<slot uid, 16 hexadecimal digits>".
    std::string module_id;
    std::uint64_t slot_uid = 0;
    attestation::Isolation isolation = attestation::Isolation::software;
    bool debug = false;
};

struct IssuedChain {
    Bytes leaf;
    // Root, region, zone, instance.
    std::vector<Bytes> bundle;
    // When the first certificate of the chain ends: the leaf.
    crypto::Seconds valid_until;
};

// Level: one certificate of the hierarchy as `casemate authority status` shows it.
struct Level {
    // "root", "region", "zone (kvm)", "instance (software, debug)", …
    std::string name;
    std::string subject;
    crypto::Digest256 fingerprint{};
    crypto::Seconds not_before;
    crypto::Seconds not_after;
    // When the next request renews it.
    crypto::Seconds renewal;
    // A file's path or a token's URI without its PIN.
    std::string key;
    // What somebody should do about it soon; empty: nothing.
    std::string warning;
};

class Authority {
public:
    // directory is STATE/authority; its parent exists. patience: how long another process may hold
    // the lock.
    Authority(std::string directory, Instance instance,
              std::chrono::milliseconds patience = std::chrono::seconds(10))
        : directory_(std::move(directory)), instance_(std::move(instance)), patience_(patience) {}

    // init makes the hierarchy's root and region. Errors: AuthorityErrc exists; those of certify.
    [[nodiscard]] Result<> init(const TokenKeys& keys, crypto::Seconds now);

    // certify gives a leaf certificate with its chain. It makes the hierarchy when there is none
    // (made_root says so then) and renews what is due: each certificate that it gives lies within
    // its issuer's time. Safe when several processes do it at once, and when one is killed at any
    // point. Errors: AuthorityErrc; CryptoErrc; Errno.
    struct Certified {
        IssuedChain chain;
        bool made_root = false;
    };
    [[nodiscard]] Result<Certified> certify(const LeafRequest& request, crypto::Seconds now);

    // status lists what there is, the root first. Errors: AuthorityErrc missing, bad_store.
    [[nodiscard]] Result<std::vector<Level>> status(crypto::Seconds now) const;
    // root_pem is the root's certificate. Errors: as status.
    [[nodiscard]] Result<std::string> root_pem() const;
    // root_path is where the root's certificate is for everybody to read: DIRECTORY/root.pem.
    [[nodiscard]] std::string root_path() const { return directory_ + "/root.pem"; }

    // rotate makes new keys and certificates below the root; with root, the root too, and the old
    // root's certificate stays beside the new one as root-<first 16 digits of its SHA-256>.pem.
    // Enclaves that run get the new chain with their next leaf. Keys in tokens are not made here:
    // keys names others; the region's stays when none is named, a root's must be a new one. Errors:
    // as certify.
    [[nodiscard]] Result<> rotate(bool root, const TokenKeys& keys, crypto::Seconds now);

private:
    std::string directory_;
    Instance instance_;
    std::chrono::milliseconds patience_;
};

}  // namespace casemate::authority
