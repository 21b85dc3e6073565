// The service's own certificates: an authority made at first use, and a server certificate of it
// that is renewed before its end. They lie in one directory, its owner's alone:
//   authority.pem   the authority's certificate and key;
//   server.pem      its names, the server's certificate and key.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "crypto/tls.hpp"
#include "kms/service/error.hpp"

namespace casemate::kms::service {

// authority_pem gives the certificate of a directory's authority, which is made where there is
// none. Errors: ServiceErrc bad_tls_file, StoreErrc.
[[nodiscard]] Result<std::string> authority_pem(const std::string& directory, crypto::Seconds now);

// OwnServer: a server certificate of the directory's authority.
struct OwnServer {
    crypto::TlsServerContext context;
    crypto::Seconds not_after;
    // not_before tells one certificate from the next.
    crypto::Seconds not_before;
};

// own_server gives the certificate for names (DNS names and numeric addresses), made anew where
// there is none, where it is for others, or where less than a third of its 90 days is left. Safe
// when several processes do it on one directory. Errors: ServiceErrc bad_tls_file, StoreErrc,
// CryptoErrc.
[[nodiscard]] Result<OwnServer> own_server(const std::string& directory,
                                           const std::vector<std::string>& names,
                                           crypto::Seconds now);

// default_names: localhost, both loopback addresses, the machine's name if it is a DNS name, and
// AWS's name of the service in a region, so that programs which know no other find it.
[[nodiscard]] std::vector<std::string> default_names(const std::string& region);

// given_server reads a certificate chain and its key that somebody brought. Errors: ServiceErrc
// bad_tls_file.
[[nodiscard]] Result<crypto::TlsServerContext> given_server(const std::string& certificate,
                                                            const std::string& key);

}  // namespace casemate::kms::service
