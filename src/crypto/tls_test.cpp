#include "crypto/tls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <chrono>
#include <string>

#include "crypto/openssl.hpp"
#include "crypto/rsa_for_test.hpp"

namespace casemate::crypto {
namespace {

using std::chrono::hours;
using testing::HasSubstr;
using Context = Owned<SSL_CTX, SSL_CTX_free>;
using Connection = Owned<SSL, SSL_free>;

Seconds now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

Name name(const std::string& common_name) {
    return {{"O", "Casemate"}, {"CN", common_name}};
}

TlsIdentity new_authority() {
    auto made = make_tls_authority(name("authority"), now() - hours(1), now() + hours(24));
    EXPECT_TRUE(made.ok());
    return std::move(made).value();
}

ServerCertificate server_certificate(Curve curve = Curve::p256) {
    using Kind = AlternativeName::Kind;
    return {.curve = curve,
            .subject = name("server"),
            .names = {{Kind::dns, "kms.example"},
                      {Kind::dns, "*.kms.example"},
                      {Kind::ip, "127.0.0.1"},
                      {Kind::ip, "::1"}},
            .not_before = now() - hours(1),
            .not_after = now() + hours(12)};
}

Owned<X509, X509_free> decode(const Certificate& certificate) {
    const unsigned char* in = certificate.der().data();
    return Owned<X509, X509_free>(
        d2i_X509(nullptr, &in, static_cast<long>(certificate.der().size())));
}

// Client: what a client insists on.
struct Client {
    const Certificate* root = nullptr;
    const char* host = "kms.example";
    int version = TLS1_3_VERSION;
    const char* ciphers = "DEFAULT";
};

// Handshake: how it ended for the client.
struct Handshake {
    bool done = false;
    std::string cipher;
    std::string version;
    long verified = -1;
    bool resumable = false;
};

void trust(SSL_CTX* context, const Certificate& root) {
    EXPECT_EQ(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), decode(root).get()), 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
}

// shake runs both sides in turns over a pair of memory buffers.
Handshake shake(const TlsServerContext& server_context, const Client& what) {
    const Context client_context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_security_level(client_context.get(), 0);
    EXPECT_EQ(SSL_CTX_set_min_proto_version(client_context.get(), what.version), 1);
    EXPECT_EQ(SSL_CTX_set_max_proto_version(client_context.get(), what.version), 1);
    EXPECT_EQ(SSL_CTX_set_cipher_list(client_context.get(), what.ciphers), 1);
    trust(client_context.get(), *what.root);
    const Connection client(SSL_new(client_context.get()));
    const Connection server(SSL_new(server_context.native_handle()));
    EXPECT_EQ(SSL_set1_host(client.get(), what.host), 1);
    BIO* one = nullptr;
    BIO* two = nullptr;
    EXPECT_EQ(BIO_new_bio_pair(&one, 0, &two, 0), 1);
    SSL_set_bio(client.get(), one, one);
    SSL_set_bio(server.get(), two, two);
    SSL_set_connect_state(client.get());
    SSL_set_accept_state(server.get());
    bool client_done = false;
    bool server_done = false;
    for (int turn = 0; turn < 20 && !(client_done && server_done); ++turn) {
        client_done = SSL_do_handshake(client.get()) == 1;
        server_done = SSL_do_handshake(server.get()) == 1;
    }
    Handshake end;
    end.done = client_done && server_done;
    end.verified = SSL_get_verify_result(client.get());
    if (end.done) {
        // Tickets would come with the first bytes.
        std::array<char, 8> bytes{};
        EXPECT_EQ(SSL_write(server.get(), "hello", 5), 5);
        EXPECT_EQ(SSL_read(client.get(), bytes.data(), 8), 5);
        end.cipher = SSL_get_cipher_name(client.get());
        end.version = SSL_get_version(client.get());
        end.resumable = SSL_SESSION_is_resumable(SSL_get0_session(client.get())) == 1;
    }
    ERR_clear_error();
    return end;
}

class Tls : public testing::TestWithParam<Curve> {
protected:
    void SetUp() override {
        auto made = make_tls_server(server_certificate(GetParam()), authority_);
        ASSERT_TRUE(made.ok()) << made.error().message();
        server_.emplace(std::move(made).value());
        auto context = TlsServerContext::make({server_->certificate}, server_->key);
        ASSERT_TRUE(context.ok()) << context.error().message();
        context_.emplace(std::move(context).value());
    }

    TlsIdentity authority_ = new_authority();
    std::optional<TlsIdentity> server_;
    std::optional<TlsServerContext> context_;
};

TEST_P(Tls, ClientsThatTrustTheAuthorityConnect) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const char* host : {"kms.example", "eu.kms.example"}) {
            const Handshake end = shake(
                *context_, {.root = &authority_.certificate, .host = host, .version = version});
            EXPECT_TRUE(end.done) << X509_verify_cert_error_string(end.verified);
            EXPECT_EQ(end.version, version == TLS1_3_VERSION ? "TLSv1.3" : "TLSv1.2");
            EXPECT_FALSE(end.resumable);
        }
    }
}

TEST_P(Tls, OtherNamesAndAuthoritiesAreRefused) {
    const Handshake other_name =
        shake(*context_, {.root = &authority_.certificate, .host = "kms.example.org"});
    EXPECT_FALSE(other_name.done);
    EXPECT_EQ(other_name.verified, X509_V_ERR_HOSTNAME_MISMATCH);
    const TlsIdentity stranger = new_authority();
    EXPECT_FALSE(shake(*context_, {.root = &stranger.certificate}).done);
}

TEST_P(Tls, OldVersionsAndCiphersAreRefused) {
    for (const int version : {TLS1_VERSION, TLS1_1_VERSION}) {
        EXPECT_FALSE(shake(*context_, {.root = &authority_.certificate,
                                       .version = version,
                                       .ciphers = "ALL:@SECLEVEL=0"})
                         .done);
    }
    for (const char* ciphers : {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
                                "ECDHE-ECDSA-NULL-SHA", "AECDH-AES128-SHA"}) {
        EXPECT_FALSE(
            shake(*context_,
                  {.root = &authority_.certificate, .version = TLS1_2_VERSION, .ciphers = ciphers})
                .done)
            << ciphers;
    }
    EXPECT_TRUE(shake(*context_, {.root = &authority_.certificate,
                                  .version = TLS1_2_VERSION,
                                  .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"})
                    .done);
}

TEST_P(Tls, CertificatesSayWhatTheyAreFor) {
    const auto root = decode(authority_.certificate);
    const auto leaf = decode(server_->certificate);
    EXPECT_EQ(X509_check_ca(root.get()), 1);
    EXPECT_EQ(X509_get_pathlen(root.get()), 0);
    EXPECT_EQ(X509_check_ca(leaf.get()), 0);
    EXPECT_EQ(X509_check_purpose(leaf.get(), X509_PURPOSE_SSL_SERVER, 0), 1);
    EXPECT_EQ(X509_check_purpose(leaf.get(), X509_PURPOSE_SSL_CLIENT, 0), 0);
    EXPECT_EQ(X509_get_key_usage(leaf.get()), X509v3_KU_DIGITAL_SIGNATURE);
    EXPECT_EQ(X509_check_issued(root.get(), leaf.get()), X509_V_OK);
    EXPECT_EQ(X509_check_ip_asc(leaf.get(), "127.0.0.1", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(leaf.get(), "::1", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(leaf.get(), "127.0.0.2", 0), 0);
    EXPECT_EQ(server_->key.public_key().curve(), GetParam());
    EXPECT_NE(server_->certificate.fields()->serial, authority_.certificate.fields()->serial);
    // Everything that is critical is understood.
    EXPECT_FALSE(server_->certificate.fields()->unknown_critical.has_value());
}

TEST_P(Tls, ServesWhatComesInPem) {
    const std::string chain = server_->certificate.to_pem() + authority_.certificate.to_pem();
    const auto key = server_->key.to_pem();
    const auto context = TlsServerContext::from_pem(as_bytes(chain), key->view());
    ASSERT_TRUE(context.ok()) << context.error().message();
    EXPECT_TRUE(shake(*context, {.root = &authority_.certificate}).done);
}

TEST_P(Tls, AnotherKeyIsRefused) {
    const auto other = PrivateKey::generate(GetParam());
    const auto expect_bad = [](const Result<TlsServerContext>& context) {
        ASSERT_FALSE(context.ok());
        EXPECT_TRUE(context.error().is(CryptoErrc::bad_encoding)) << context.error().message();
    };
    expect_bad(TlsServerContext::make({server_->certificate}, *other));
    expect_bad(TlsServerContext::make({}, server_->key));
    const std::string chain = server_->certificate.to_pem();
    expect_bad(TlsServerContext::from_pem(as_bytes(chain), other->to_pem()->view()));
    expect_bad(TlsServerContext::from_pem(as_bytes(chain), as_bytes("no key")));
    expect_bad(TlsServerContext::from_pem(as_bytes("no chain"), server_->key.to_pem()->view()));
}

TEST_P(Tls, ClientContextsTrustTheirAuthorityAlone) {
    const TlsIdentity stranger = new_authority();
    for (const bool known : {true, false}) {
        const auto client_context = TlsClientContext::from_pem(
            as_bytes((known ? authority_ : stranger).certificate.to_pem()));
        ASSERT_TRUE(client_context.ok()) << client_context.error().message();
        const Connection client(SSL_new(client_context->native_handle()));
        const Connection server(SSL_new(context_->native_handle()));
        BIO* one = nullptr;
        BIO* two = nullptr;
        ASSERT_EQ(BIO_new_bio_pair(&one, 0, &two, 0), 1);
        SSL_set_bio(client.get(), one, one);
        SSL_set_bio(server.get(), two, two);
        SSL_set_connect_state(client.get());
        SSL_set_accept_state(server.get());
        bool done = false;
        for (int turn = 0; turn < 20 && !done; ++turn) {
            done = SSL_do_handshake(client.get()) == 1;
            SSL_do_handshake(server.get());
        }
        EXPECT_EQ(done, known);
        ERR_clear_error();
    }
    EXPECT_FALSE(TlsClientContext::from_pem(as_bytes("no certificate")).ok());
}

INSTANTIATE_TEST_SUITE_P(Curves, Tls, testing::Values(Curve::p256, Curve::p384));

TEST(TlsCertificate, NamesThatAreNoneAreRefused) {
    using Kind = AlternativeName::Kind;
    const TlsIdentity authority = new_authority();
    const auto names = std::to_array<AlternativeName>({
        {Kind::dns, ""},
        {Kind::dns, "*."},
        {Kind::dns, "a.*.example"},
        {Kind::dns, "two names"},
        {Kind::dns, std::string("a\0b", 3)},
        {Kind::dns,
         "b\xc3\xbc"
         "cher.example"},
        {Kind::dns, std::string(254, 'a')},
        {Kind::ip, ""},
        {Kind::ip, "127.0.0"},
        {Kind::ip, "127.0.0.1/8"},
        {Kind::ip, "256.0.0.1"},
        {Kind::ip, std::string("127.0.0.1\0", 10)},
        {Kind::ip, "kms.example"},
    });
    for (const AlternativeName& one : names) {
        ServerCertificate what = server_certificate();
        what.names = {one};
        const auto made = make_tls_server(what, authority);
        ASSERT_FALSE(made.ok()) << one.value;
        EXPECT_TRUE(made.error().is(CryptoErrc::bad_encoding)) << made.error().message();
        EXPECT_THAT(made.error().detail(), HasSubstr("as alternative name"));
    }
    ServerCertificate what = server_certificate();
    what.names.clear();
    EXPECT_TRUE(make_tls_server(what, authority).error().is(CryptoErrc::out_of_range));
    EXPECT_TRUE(make_tls_server(server_certificate(Curve::p521), authority)
                    .error()
                    .is(CryptoErrc::out_of_range));
}

}  // namespace
}  // namespace casemate::crypto
