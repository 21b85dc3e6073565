#include "guest/kms/client.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "base/socket.hpp"
#include "guest/kms/stand_in_service_for_test.hpp"

namespace casemate::kms_client {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

sigv4::Credential credential(std::string_view secret = kCallersSecret,
                             std::string_view token = "") {
    const auto bytes = [](std::string_view text) {
        return SecretBytes(Bytes(text.begin(), text.end()));
    };
    return {std::string(kCaller), bytes(secret), bytes(token)};
}

class ClientOfKms : public testing::Test {
protected:
    Options options() const {
        Options options;
        options.address = parse_address("unix:" + service_.socket()).value();
        options.ca_file = service_.ca_file();
        options.attest = forged_module();
        return options;
    }

    std::unique_ptr<Client> client() const { return client(options()); }
    static std::unique_ptr<Client> client(Options options) {
        auto made = Client::create(std::move(options), credential());
        EXPECT_TRUE(made.ok());
        return std::move(made).value();
    }

    static std::string_view secret_of(const Outcome<Answer>& outcome) {
        return outcome ? as_text(outcome->secret.view()) : std::string_view("no answer");
    }
    static void expect_failure(const Outcome<Answer>& outcome, std::string_view type,
                               const testing::Matcher<std::string>& message) {
        ASSERT_FALSE(outcome.ok());
        EXPECT_EQ(outcome.error().type, type) << outcome.error().message;
        EXPECT_THAT(outcome.error().message, message);
    }

    StandInService service_;
};

TEST_F(ClientOfKms, decrypts) {
    const auto kms = client();
    EXPECT_EQ(secret_of(kms->decrypt(StandInService::sealed("a secret"), {})), "a secret");
    // Far more than one block of RSA's.
    const std::string long_secret(4096, 's');
    EXPECT_EQ(secret_of(kms->decrypt(StandInService::sealed(long_secret), {})), long_secret);
    EXPECT_EQ(service_.requests(), 2U);
}

TEST_F(ClientOfKms, asks_as_kms_is_asked) {
    ASSERT_TRUE(client()
                    ->decrypt(StandInService::sealed("s", {{"purpose", "a \"test\"\n"}}),
                              {.key_id = std::string(kKeyAlias),
                               .algorithm = "SYMMETRIC_DEFAULT",
                               .context = {{"purpose", "a \"test\"\n"}},
                               .grant_tokens = {"t1", "t2"}})
                    .ok());
    const http::Request asked = service_.asked();
    EXPECT_EQ(asked.method + asked.target, "POST/");
    EXPECT_EQ(*http::find_header(asked.headers, "host"), "kms.us-east-1.amazonaws.com");
    EXPECT_EQ(*http::find_header(asked.headers, "content-type"), "application/x-amz-json-1.1");
    EXPECT_EQ(*http::find_header(asked.headers, "x-amz-target"), "TrentService.Decrypt");
    auto body = boost::json::parse(asked.body).as_object();
    EXPECT_EQ(body["Recipient"].as_object()["KeyEncryptionAlgorithm"].as_string(),
              "RSAES_OAEP_SHA_256");
    body.erase("Recipient");
    EXPECT_EQ(boost::json::value(body),
              boost::json::parse(R"({"CiphertextBlob": "eyJwdXJwb3NlIjoiYSBcInRlc3RcIlxuIn18cw==",
                                     "KeyId": "alias/casemate",
                                     "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
                                     "EncryptionContext": {"purpose": "a \"test\"\n"},
                                     "GrantTokens": ["t1", "t2"]})"));
}

TEST_F(ClientOfKms, gives_secrets_of_each_operation) {
    const auto kms = client();
    const Parameters key{.key_id = std::string(kKey), .context = {{"a", "b"}}};
    for (const auto& [spec, size] : {std::pair("AES_256", 32U), std::pair("AES_128", 16U)}) {
        Parameters wanted = key;
        wanted.key_spec = spec;
        const auto made = kms->generate_data_key(wanted);
        ASSERT_TRUE(made.ok()) << made.error().text();
        EXPECT_EQ(made->secret.size(), size);
        EXPECT_EQ(made->fields.text("KeyId"), kKey);
        EXPECT_EQ(made->request_id, "0000-1111");
        const auto again = kms->decrypt(*made->fields.bytes("CiphertextBlob"), key);
        EXPECT_EQ(secret_of(again), secret_of(made));
    }
    Parameters bytes = key;
    bytes.number_of_bytes = 100;
    EXPECT_EQ(secret_of(kms->generate_data_key(bytes)).size(), 100U);
    const auto random = kms->generate_random({.number_of_bytes = 1024});
    EXPECT_EQ(secret_of(random).size(), 1024U);
    EXPECT_NE(secret_of(random), secret_of(kms->generate_random({.number_of_bytes = 1024})));

    Parameters pair = key;
    pair.key_spec = "ECC_NIST_P256";
    const auto made = kms->generate_data_key_pair(pair);
    ASSERT_TRUE(made.ok()) << made.error().text();
    const auto mine = crypto::PrivateKey::from_pkcs8(made->secret.view());
    ASSERT_TRUE(mine.ok());
    EXPECT_EQ(mine->public_key().spki(), made->fields.bytes("PublicKey").value());

    const auto secret = kms->derive_shared_secret(mine->public_key().spki(), key);
    const auto theirs = kms->call("GetPublicKey", R"({"KeyId":"alias/casemate"})");
    ASSERT_TRUE(theirs.ok());
    EXPECT_TRUE(theirs->secret.empty());
    EXPECT_EQ(secret_of(secret),
              as_text(crypto::agree(*mine, *theirs->fields.bytes("PublicKey")).value().view()));

    const auto sealed = kms->encrypt(as_bytes("text"), key);
    ASSERT_TRUE(sealed.ok()) << sealed.error().text();
    EXPECT_EQ(secret_of(kms->decrypt(*sealed->fields.bytes("CiphertextBlob"), key)), "text");
}

TEST_F(ClientOfKms, calls_by_name_are_addressed_too) {
    const auto kms = client();
    EXPECT_EQ(secret_of(kms->call("GenerateRandom", " { \"NumberOfBytes\": 7 }\n")).size(), 7U);
    for (const std::string request : {"", "7", "{", "}", "[]", "{} {"}) {
        expect_failure(kms->call("GenerateRandom", request), "bad_argument", HasSubstr("JSON"));
    }
    for (const std::string operation : {"", "Get Random", "A\r\nB", "Ä"}) {
        expect_failure(kms->call(operation, "{}"), "bad_argument", HasSubstr("name"));
    }
    expect_failure(kms->call("Nothing", "{}"), "UnknownOperationException", "");
}

TEST_F(ClientOfKms, one_key_and_a_new_document_for_each_call) {
    std::mutex mutex;
    std::vector<Bytes> keys;
    Options given = options();
    given.attest = [&](ByteView key) {
        const std::lock_guard lock(mutex);
        keys.emplace_back(key.begin(), key.end());
        return forged_module()(key);
    };
    const auto kms = client(std::move(given));
    std::vector<std::thread> threads;
    std::atomic<int> right = 0;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            const std::string mine = "secret " + std::to_string(i);
            right += secret_of(kms->decrypt(StandInService::sealed(mine), {})) == mine ? 1 : 0;
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(right, 4);
    ASSERT_EQ(keys.size(), 4U);
    EXPECT_THAT(keys, testing::Each(keys.front()));
    EXPECT_EQ(crypto::RsaPublicKey::from_spki(keys.front())->bits(), 2048U);
}

TEST_F(ClientOfKms, temporary_credentials_have_a_token) {
    service_.expect_token(true);
    const auto kms = client();
    expect_failure(kms->generate_random({.number_of_bytes = 1}), "InvalidSignatureException",
                   testing::_);
    kms->set_credential(credential(kCallersSecret, kCallersToken));
    EXPECT_TRUE(kms->generate_random({.number_of_bytes = 1}).ok());
    kms->set_credential(credential("another secret"));
    expect_failure(kms->generate_random({.number_of_bytes = 1}), "InvalidSignatureException",
                   testing::_);
}

TEST_F(ClientOfKms, refusals_are_kms_own) {
    const auto kms = client();
    const auto unknown = kms->decrypt(StandInService::sealed("s"), {.key_id = "nothing\x1b[2J"});
    ASSERT_FALSE(unknown.ok());
    EXPECT_EQ(unknown.error().type, "NotFoundException");
    EXPECT_EQ(unknown.error().message, "Key 'nothing [2J' does not exist");
    EXPECT_EQ(unknown.error().status, 400);
    EXPECT_EQ(unknown.error().request_id, "0000-1111");
    // A ciphertext is good under its own context alone.
    expect_failure(
        kms->decrypt(StandInService::sealed("s", {{"a", "b"}}), {.context = {{"a", "c"}}}),
        "InvalidCiphertextException", "");

    struct Case {
        int status;
        std::string header;
        std::string body;
        std::string type;
        std::string message;
    };
    const std::vector<Case> cases{
        {400, "", R"({"__type":"a#BException","Message":"m"})", "BException", "m"},
        {400, "", R"({"__type":"AException:http://x/","message":"m"})", "AException", "m"},
        {500, "KMSInternalException:http://x", "{}", "KMSInternalException", ""},
        {502, "", "<html>", "bad_answer",
         "expected an answer of KMS, found the HTTP status 502 without an exception's name"},
        {302, "", "", "bad_answer",
         "expected an answer of KMS, found the HTTP status 302 without an exception's name"},
    };
    for (const Case& one : cases) {
        service_.edit_response([&](http::Response& response) {
            response.status = one.status;
            response.headers = {};
            if (!one.header.empty()) {
                response.headers.emplace_back("x-amzn-ErrorType", one.header);
            }
            response.body = one.body;
        });
        const auto outcome = kms->generate_random({.number_of_bytes = 1});
        expect_failure(outcome, one.type, one.message);
        EXPECT_EQ(outcome.error().status, one.status);
    }
}

TEST_F(ClientOfKms, documents_of_others_are_refused_by_the_service) {
    Options given = options();
    given.attest = forged_module({"software"});
    expect_failure(client(std::move(given))->generate_random({.number_of_bytes = 1}),
                   "ValidationException", HasSubstr("software"));
    given = options();
    given.attest = [](ByteView) -> Result<Bytes> {
        return Error(ClientErrc::no_module, "none here");
    };
    expect_failure(client(std::move(given))->generate_random({.number_of_bytes = 1}), "no_module",
                   "none here");
    EXPECT_EQ(service_.requests(), 1U);
    // What needs no document asks for none.
    given = options();
    given.attest = [](ByteView) -> Result<Bytes> { return Error(ClientErrc::no_module, ""); };
    EXPECT_TRUE(client(std::move(given))->call("GetPublicKey", "{}").ok());
}

TEST_F(ClientOfKms, outside_of_an_enclave_it_says_so) {
    if (access("/dev/nsm", F_OK) == 0) {
        GTEST_SKIP() << "this machine has a security module";
    }
    Options given = options();
    given.attest = {};
    expect_failure(client(std::move(given))->generate_random({.number_of_bytes = 1}), "no_module",
                   HasSubstr("not in an enclave?"));
}

TEST_F(ClientOfKms, answers_in_the_clear_are_refused) {
    const auto kms = client();
    struct Case {
        std::string member;
        std::function<Outcome<Answer>()> ask;
    };
    const auto own = crypto::PrivateKey::generate(crypto::Curve::p256);
    const Parameters key{.key_id = std::string(kKey), .key_spec = "AES_256", .number_of_bytes = 0};
    const std::vector<Case> cases{
        {"Plaintext", [&] { return kms->decrypt(StandInService::sealed("s"), {}); }},
        {"Plaintext", [&] { return kms->generate_random({.number_of_bytes = 3}); }},
        {"Plaintext", [&] { return kms->generate_data_key(key); }},
        {"PrivateKeyPlaintext", [&] { return kms->generate_data_key_pair(key); }},
        {"SharedSecret", [&] { return kms->derive_shared_secret(own->public_key().spki(), key); }},
    };
    for (const Case& one : cases) {
        for (const bool with_both : {true, false}) {
            service_.edit_answer([&](StandInService::Object& answer) {
                answer[one.member] = "cGxhaW4=";
                if (!with_both) {
                    answer.erase("CiphertextForRecipient");
                }
            });
            expect_failure(one.ask(), "plaintext_answer", HasSubstr(one.member));
        }
        // Not a text, and so not void either.
        service_.edit_answer([&](StandInService::Object& answer) { answer[one.member] = 7; });
        expect_failure(one.ask(), "plaintext_answer", HasSubstr(one.member));
        service_.edit_answer([&](StandInService::Object& answer) { answer[one.member] = ""; });
        EXPECT_TRUE(one.ask().ok());
        service_.edit_answer([&](StandInService::Object& answer) { answer.erase(one.member); });
        EXPECT_TRUE(one.ask().ok());
    }
}

TEST_F(ClientOfKms, envelopes_that_do_not_open_are_refused) {
    const auto kms = client();
    const auto ask = [&] { return kms->decrypt(StandInService::sealed("a secret"), {}); };
    const auto stranger = crypto::RsaPrivateKey::generate(2048);
    const auto envelope = [](const StandInService::Object& answer) {
        const auto& text = answer.at("CiphertextForRecipient").as_string();
        return codec::decode_base64({text.data(), text.size()}).value();
    };
    const auto put = [](StandInService::Object& answer, ByteView bytes) {
        answer["CiphertextForRecipient"] = codec::encode_base64(bytes);
    };
    // Sizes are those of the whole envelope: every way of cutting it short at some place.
    for (const std::size_t divisor : {1U, 2U, 3U, 10U, 1000U}) {
        service_.edit_answer([&](StandInService::Object& answer) {
            Bytes bytes = envelope(answer);
            bytes.resize(bytes.size() - 1 - (bytes.size() - 1) / divisor);
            put(answer, bytes);
        });
        expect_failure(ask(), "not_opened", testing::_);
    }
    service_.edit_answer([&](StandInService::Object& answer) {
        Bytes bytes = envelope(answer);
        bytes.push_back(0);
        put(answer, bytes);
    });
    expect_failure(ask(), "not_opened", testing::_);
    service_.edit_answer([&](StandInService::Object& answer) {
        put(answer, crypto::cms::seal_for(stranger->public_key(), as_bytes("a lie")).value());
    });
    expect_failure(ask(), "not_opened", testing::_);
    for (const boost::json::value& value :
         {boost::json::value(nullptr), boost::json::value("not base64!"), boost::json::value(7),
          boost::json::value(boost::json::array{"AA=="})}) {
        service_.edit_answer(
            [&](StandInService::Object& answer) { answer["CiphertextForRecipient"] = value; });
        expect_failure(ask(), "bad_answer", HasSubstr("CiphertextForRecipient"));
    }
}

TEST_F(ClientOfKms, secrets_of_another_size_are_refused) {
    const auto kms = client();
    Options given = options();
    // A service that answers with fewer bytes than were asked for.
    Bytes key;
    given.attest = [&](ByteView public_key) {
        key.assign(public_key.begin(), public_key.end());
        return forged_module()(public_key);
    };
    const auto short_of = client(std::move(given));
    service_.edit_answer([&](StandInService::Object& answer) {
        const auto recipient = crypto::RsaPublicKey::from_spki(key).value();
        answer["CiphertextForRecipient"] =
            codec::encode_base64(crypto::cms::seal_for(recipient, as_bytes("short")).value());
    });
    expect_failure(short_of->generate_random({.number_of_bytes = 32}), "bad_answer",
                   "expected 32 bytes of KMS, found 5");
    expect_failure(
        short_of->generate_data_key({.key_id = std::string(kKey), .key_spec = "AES_256"}),
        "bad_answer", "expected 32 bytes of KMS, found 5");
    EXPECT_EQ(secret_of(short_of->generate_random({.number_of_bytes = 5})), "short");
}

TEST_F(ClientOfKms, what_is_no_answer_is_refused) {
    const auto kms = client();
    for (const std::string body :
         {"x", "[]", "\"text\"", "{\"a\":", "{} {}", "{\"a\":\"\xff\"}", "null"}) {
        service_.edit_response([&](http::Response& response) { response.body = body; });
        expect_failure(kms->call("GetPublicKey", "{}"), "bad_answer", testing::_);
    }
    service_.edit_response([&](http::Response& response) { response.body = ""; });
    EXPECT_TRUE(kms->call("GetPublicKey", "{}").ok());
    service_.edit_response([](http::Response& response) {
        response.body = "{\"a\":\"" + std::string(std::size_t{5} << 20U, 'a') + "\"}";
    });
    expect_failure(kms->call("GetPublicKey", "{}"), "bad_answer", testing::_);
    service_.edit_response([](http::Response& response) {
        response.body = std::string(100000, '[') + std::string(100000, ']');
    });
    expect_failure(kms->call("GetPublicKey", "{}"), "bad_answer", testing::_);
}

TEST_F(ClientOfKms, servers_that_nobody_vouches_for_are_asked_nothing) {
    Options given = options();
    given.ca_file = service_.other_ca_file();
    expect_failure(client(std::move(given))->generate_random({.number_of_bytes = 1}),
                   "untrusted_server", testing::_);
    given = options();
    given.host = "kms.us-east-2.amazonaws.com";
    expect_failure(client(std::move(given))->generate_random({.number_of_bytes = 1}),
                   "untrusted_server", testing::_);
    // The name is the region's where none is given.
    given = options();
    given.region = "us-east-2";
    expect_failure(client(std::move(given))->generate_random({.number_of_bytes = 1}),
                   "untrusted_server", testing::_);
    EXPECT_EQ(service_.requests(), 0U);
}

TEST_F(ClientOfKms, nobody_is_waited_for_forever) {
    Options given = options();
    given.timeout = std::chrono::milliseconds(300);
    const auto kms = client(given);
    // A service that takes the request and does not answer.
    std::promise<void> release;
    auto released = release.get_future().share();
    service_.edit_response([released](http::Response&) { released.wait(); });
    expect_failure(kms->call("GetPublicKey", "{}"), "timed_out", testing::_);
    release.set_value();
    service_.edit_response({});
    // A listener that accepts and says nothing, and one that does not accept.
    const auto silent =
        listen_unix(service_.path("silent"), SOCK_STREAM | SOCK_NONBLOCK, 0600).value();
    given.address = parse_address("unix:" + service_.path("silent")).value();
    expect_failure(client(given)->call("GetPublicKey", "{}"), "timed_out", testing::_);
    std::vector<UniqueFd> queue;
    while (auto one = try_connect_unix(service_.path("silent"), SOCK_STREAM | SOCK_NONBLOCK)) {
        queue.push_back(std::move(one).value());
    }
    expect_failure(client(given)->call("GetPublicKey", "{}"), "timed_out", HasSubstr("connect"));
}

TEST_F(ClientOfKms, nobody_there_is_told) {
    Options given = options();
    given.address.host = service_.path("nobody");
    expect_failure(client(given)->call("GetPublicKey", "{}"), "not_connected",
                   HasSubstr("unix:" + given.address.host));
    // A listener that closes at once.
    const auto closing = listen_unix(service_.path("closing"), SOCK_STREAM, 0600).value();
    std::thread closer([&] { UniqueFd(accept(closing.get(), nullptr, nullptr)).reset(); });
    given.address.host = service_.path("closing");
    const auto outcome = client(given)->call("GetPublicKey", "{}");
    closer.join();
    ASSERT_FALSE(outcome.ok());
    EXPECT_THAT(outcome.error().type, testing::AnyOf("not_connected", "untrusted_server"));
}

TEST_F(ClientOfKms, options_that_can_not_be_are_refused) {
    const auto refused = [&](const std::function<void(Options&)>& edit) {
        Options given = options();
        edit(given);
        const auto made = Client::create(std::move(given), credential());
        return made ? std::string("made") : made.error().message();
    };
    for (const std::string& region :
         std::vector<std::string>{"", "US-EAST-1", "a/b", "x\r\ny", std::string(65, 'a')}) {
        EXPECT_THAT(refused([&](Options& given) { given.region = region; }),
                    AllOf(HasSubstr("bad_argument"), HasSubstr("region"), Not(HasSubstr("\n"))));
    }
    EXPECT_THAT(refused([](Options& given) { given.timeout = {}; }), HasSubstr("timeout"));
    EXPECT_THAT(refused([](Options& given) { given.ca_file = "/nowhere/ca.pem"; }),
                HasSubstr("/nowhere/ca.pem"));
    EXPECT_THAT(refused([](Options& given) { given.ca_file = "/dev/null"; }), HasSubstr("PEM"));
    EXPECT_EQ(refused([](Options&) {}), "made");
    // A host name with a line break does not become a header.
    Options given = options();
    given.host = "kms.us-east-1.amazonaws.com\r\nX: y";
    expect_failure(client(given)->call("GetPublicKey", "{}"), "bad_argument", testing::_);
    // What is not UTF-8 is not sent.
    expect_failure(client()->decrypt(StandInService::sealed("s"), {.key_id = "\xff"}),
                   "bad_argument", HasSubstr("UTF-8"));
    EXPECT_EQ(service_.requests(), 0U);
}

TEST(HostOf, has_the_suffix_of_its_partition) {
    EXPECT_EQ(host_of("us-east-1"), "kms.us-east-1.amazonaws.com");
    EXPECT_EQ(host_of("cn-north-1"), "kms.cn-north-1.amazonaws.com.cn");
    EXPECT_EQ(host_of("us-gov-west-1"), "kms.us-gov-west-1.amazonaws.com");
    EXPECT_EQ(host_of("eusc-de-east-1"), "kms.eusc-de-east-1.amazonaws.eu");
    EXPECT_EQ(host_of("us-isob-east-1"), "kms.us-isob-east-1.sc2s.sgov.gov");
}

TEST(DefaultCaFile, is_what_the_environment_names) {
    unsetenv("AWS_CA_BUNDLE");
    unsetenv("SSL_CERT_FILE");
    EXPECT_EQ(default_ca_file(), "/etc/ssl/certs/ca-certificates.crt");
    setenv("SSL_CERT_FILE", "/a", 1);
    EXPECT_EQ(default_ca_file(), "/a");
    setenv("AWS_CA_BUNDLE", "/b", 1);
    EXPECT_EQ(default_ca_file(), "/b");
    setenv("AWS_CA_BUNDLE", "", 1);
    EXPECT_EQ(default_ca_file(), "/a");
    unsetenv("AWS_CA_BUNDLE");
    unsetenv("SSL_CERT_FILE");
}

}  // namespace
}  // namespace casemate::kms_client
