#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <thread>

#include "base/no_threads_for_test.hpp"
#include "base/process.hpp"
#include "kms/cli/arguments.hpp"
#include "kms/service/service_for_test.hpp"
#include "support/paths.hpp"

namespace casemate::kms::cli {
namespace {

using service::AccessKey;
using service::add_user;
using service::Ran;
using service::run_command;
using service::ServiceForTest;
using service::text_of;
using testing::HasSubstr;
using testing::Not;

class KmsCli : public testing::Test {
protected:
    std::string file(const std::string& name, std::string_view content) {
        std::string path = directory_.path() + "/" + name;
        EXPECT_TRUE(write_file_atomically(path, as_bytes(content)).ok());
        return path;
    }
    [[nodiscard]] std::string data() const { return directory_.path() + "/kms"; }

    TemporaryDirectory directory_ = TemporaryDirectory::create().value();
};

std::variant<Invocation, UsageEnd> parse_line(std::vector<std::string> arguments,
                                              const Places& places = {}) {
    arguments.insert(arguments.begin(), "casemate-kms");
    return parse(arguments, places);
}

TEST_F(KmsCli, ConfigurationGivesWhatTheCommandLineDoesNot) {
    const std::string config = file("kms.yaml",
                                    "data: /from/file\n"
                                    "region: eu-central-1\n"
                                    "listen: [\"127.0.0.1:1\", vsock:8000]\n"
                                    "allow-debug: true\n"
                                    "audit-sync: each-second\n");
    const auto parsed = parse_line({"serve", "--data", "/here", "--config", config});
    const auto* invocation = std::get_if<Invocation>(&parsed);
    ASSERT_NE(invocation, nullptr) << std::get<UsageEnd>(parsed).standard_error;
    const auto& serve = std::get<ServeArguments>(*invocation);
    EXPECT_EQ(serve.data.data, "/here");
    EXPECT_EQ(serve.region, "eu-central-1");
    EXPECT_EQ(serve.listen, (std::vector<std::string>{"127.0.0.1:1", "vsock:8000"}));
    EXPECT_TRUE(serve.allow_debug);
    EXPECT_EQ(serve.audit_sync, AuditSync::each_second);
    // Other commands take what they know, from the place where it is looked for as well.
    const auto listed = parse_line(
        {"user", "list"}, {.configuration = config, .parent_ports = {}, .authority_root = {}});
    ASSERT_NE(std::get_if<Invocation>(&listed), nullptr)
        << std::get<UsageEnd>(listed).standard_error;
    EXPECT_EQ(std::get<UserListArguments>(std::get<Invocation>(listed)).data.data, "/from/file");
}

TEST_F(KmsCli, BadConfigurationIsRefusedWithItsLine) {
    for (const auto& [content, expected] :
         {std::pair("data: /d\nlissten: x\n", "line 2: expected an option of serve"),
          std::pair("data: /d\n\nthreads: many\n", "line 3: threads"),
          std::pair("data: /d\ndata: /e\n", "line 2: expected each option once"),
          std::pair("data: {a: b}\n", "line 1: expected a value"),
          std::pair("- data\n", "line 1: expected a map"),
          std::pair("data: [[a]]\n", "line 1: expected a plain value"),
          std::pair("data: [a\n", "bad.yaml, line "), std::pair("ready-fd: 3\n", "line 1"),
          std::pair("max-connections: 0\n", "line 1: max-connections")}) {
        const auto parsed =
            parse_line({"serve", "--data", "/d", "--config", file("bad.yaml", content)});
        const auto* end = std::get_if<UsageEnd>(&parsed);
        if (end == nullptr) {
            // An option that is on the command line is not looked at in the file.
            ADD_FAILURE() << content;
            continue;
        }
        EXPECT_EQ(end->status, 2);
        EXPECT_THAT(end->standard_error, HasSubstr(expected)) << content;
    }
    EXPECT_EQ(run_command({"serve", "--config", directory_.path() + "/none"}).status, 2);
}

TEST_F(KmsCli, WrongCommandLinesEndWithStatus2) {
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"frobnicate"},
          {"user"},
          {"user", "list"},
          {"user", "add", "alice", "--data", data()},
          {"user", "add", "a b", "--account", "111122223333", "--data", data()},
          {"user", "add", "alice", "--account", "1234", "--data", data()},
          {"user", "add", "alice", "--arn", "arn:aws:iam::111122223333:group/x", "--data", data()},
          {"user", "add", "alice", "--arn", "arn:aws:iam::111122223333:user/", "--data", data()},
          {"user", "add", "alice", "--arn", "arn:aws:sts::111122223333:root", "--data", data()},
          {"serve", "--data", data(), "--listen", "http:0.0.0.0:1"},
          {"serve", "--data", data(), "--region", "Mars"},
          {"serve", "--data", data(), "--tls-certificate", "x"},
          {"serve", "--data", data(), "--tls-name", "a b"},
          {"serve", "--data", data(), "--attestation-root", directory_.path() + "/none.pem"},
          {"serve", "--data", data(), "--attestation-root", "/dev/null"},
          {"root-key", "protect", "--data", data()},
          {"root-key", "protect", "--none", "--new-passphrase", "--data", data()},
          {"audit", "verify"},
          {"audit", "verify", "--data", data(), "--head", "1:2"},
          {"policy", "explain", "--caller", "alice", "--operation", "Decrypt"},
          {"policy", "explain", "--caller", "x", "--operation", "Decrypt", "--pcr", "32=00"}}) {
        const Ran ran = run_command(arguments);
        EXPECT_EQ(ran.status, 2) << ran.err;
        EXPECT_EQ(ran.out, "");
        EXPECT_NE(ran.err, "");
    }
    EXPECT_FALSE(std::filesystem::exists(data() + "/root-keys"));
}

TEST_F(KmsCli, UsersAreMadeListedChangedAndRemoved) {
    const AccessKey alice = add_user(data(), "alice");
    EXPECT_EQ(alice.id.size(), 20U);
    EXPECT_EQ(alice.secret.size(), 40U);
    const Ran again =
        run_command({"user", "add", "alice", "--account", "111122223333", "--data", data()});
    EXPECT_EQ(again.status, 3);
    EXPECT_EQ(again.out, "");
    const Ran listed = run_command({"user", "list", "--data", data(), "--output", "json"});
    EXPECT_THAT(listed.out, HasSubstr(alice.id));
    EXPECT_THAT(listed.out, Not(HasSubstr(alice.secret)));
    const std::string policy = file(
        "policy.json",
        R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}]})");
    EXPECT_EQ(run_command({"user", "policy", "alice", "--policy", policy, "--data", data()}).status,
              0);
    EXPECT_THAT(run_command({"user", "policy", alice.id, "--data", data()}).out,
                HasSubstr("kms:Decrypt"));
    const std::string bad = file("bad.json", R"({"Statement":[]})");
    EXPECT_EQ(run_command({"user", "policy", "alice", "--policy", bad, "--data", data()}).status,
              2);
    EXPECT_EQ(run_command({"user", "remove", "alice", "--data", data()}).status, 0);
    EXPECT_EQ(run_command({"user", "remove", "alice", "--data", data()}).status, 3);
    EXPECT_EQ(run_command({"user", "list", "--data", data()}).out, "");
}

TEST_F(KmsCli, TemporaryCredentialsHaveTheFormsOfAwssPrograms) {
    const AccessKey alice = add_user(data(), "alice");
    ASSERT_EQ(run_command({"user", "add", "b", "--arn", "arn:aws:iam::111122223333:role/builder",
                           "--data", data()})
                  .status,
              0);
    const Ran plain = run_command({"user", "session", "alice", "--data", data()});
    ASSERT_EQ(plain.status, 0) << plain.err;
    const auto object = boost::json::parse(plain.out).as_object();
    EXPECT_EQ(object.size(), 4U);
    EXPECT_THAT(text_of(object, "AccessKeyId"), testing::MatchesRegex("ASIA[A-Z2-7]+"));
    EXPECT_EQ(text_of(object, "SecretAccessKey").size(), 40U);
    EXPECT_FALSE(text_of(object, "SessionToken").empty());
    EXPECT_THAT(text_of(object, "Expiration"), testing::EndsWith("Z"));
    EXPECT_EQ(text_of(object, "Expiration").size(), std::string("2026-01-01T00:00:00Z").size());
    const Ran process = run_command({"user", "session", alice.id, "--format", "process",
                                     "--duration", "43200", "--data", data()});
    EXPECT_EQ(boost::json::parse(process.out).as_object().at("Version").as_int64(), 1);
    const Ran env = run_command({"user", "session", "alice", "--format", "env", "--data", data()});
    EXPECT_THAT(env.out, testing::MatchesRegex("export AWS_ACCESS_KEY_ID=ASIA[^\n]+\n"
                                               "export AWS_SECRET_ACCESS_KEY=[^\n]+\n"
                                               "export AWS_SESSION_TOKEN=[^\n]+\n"
                                               "export AWS_CREDENTIAL_EXPIRATION=[^\n]+Z\n"));
    const std::string large =
        file("large.json", R"({"Statement":[{"Effect":"Allow","Sid":")" + std::string(2048, 'a') +
                               R"(","Action":"kms:*","Resource":"*"}]})");
    const std::string bad = file("bad.json", "{}");
    for (const std::vector<std::string>& wrong :
         {std::vector<std::string>{"alice", "--duration", "899"},
          {"alice", "--duration", "43201"},
          {"alice", "--session-name", "run-1"},
          {"alice", "--policy", large},
          {"alice", "--policy", bad},
          {"alice", "--format", "yaml"},
          {"b", "--session-name", "a/b"},
          // His name is too short for a session's.
          {"b"},
          {}}) {
        std::vector<std::string> arguments{"user", "session", "--data", data()};
        arguments.insert(arguments.end(), wrong.begin(), wrong.end());
        const Ran ran = run_command(arguments);
        EXPECT_EQ(ran.status, 2) << ran.out << ran.err;
        EXPECT_EQ(ran.out, "");
    }
    EXPECT_EQ(run_command({"user", "session", "carol", "--data", data()}).status, 3);
}

TEST_F(KmsCli, TheAuditLogIsVerified) {
    ServiceForTest of;
    of.start();
    const AccessKey alice = add_user(of.data(), "alice");
    for (int i = 0; i < 3; ++i) {
        static_cast<void>(of.ask(alice, "ListKeys", "{}"));
    }
    of.stop();
    const Ran head = run_command({"audit", "head", "--data", of.data()});
    ASSERT_EQ(head.status, 0) << head.err;
    EXPECT_THAT(head.out, testing::StartsWith("3:"));
    const std::string kept = head.out.substr(0, head.out.size() - 1);
    const Ran good = run_command({"audit", "verify", "--data", of.data(), "--head", kept});
    EXPECT_EQ(good.status, 0) << good.err;
    EXPECT_THAT(good.out, HasSubstr("verified: 3 lines"));
    // Another log's head is not in this one.
    EXPECT_EQ(
        run_command({"audit", "verify", "--data", of.data(), "--head", "2:" + std::string(64, '0')})
            .status,
        1);
    const std::string path = of.data() + "/audit/audit-00000000000000000001.jsonl";
    std::string text = of.audit_text();
    text.replace(text.find("ListKeys"), 8, "ListKeyz");
    ASSERT_TRUE(write_file_atomically(path, as_bytes(text)).ok());
    const Ran changed = run_command({"audit", "verify", "--data", of.data()});
    EXPECT_EQ(changed.status, 1);
    EXPECT_THAT(changed.err, HasSubstr("error: "));
    EXPECT_EQ(run_command({"audit", "verify", "--data", directory_.path() + "/none"}).status, 3);
}

constexpr std::string_view kPinned = R"({"Version":"2012-10-17","Statement":[
    {"Sid":"Admin","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},
     "Action":["kms:Describe*","kms:PutKeyPolicy"],"Resource":"*"},
    {"Sid":"EnclaveOnly","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},
     "Action":"kms:Decrypt","Resource":"*",
     "Condition":{"StringEqualsIgnoreCase":{"kms:RecipientAttestation:PCR0":"PCR"}}}]})";

TEST_F(KmsCli, PoliciesAreExplained) {
    std::string policy(kPinned);
    const std::string pcr(96, 'a');
    policy.replace(policy.find("\"PCR\""), 5, "\"" + pcr + "\"");
    const std::string path = file("policy.json", policy);
    EXPECT_EQ(run_command({"policy", "check", path}).status, 0);
    EXPECT_EQ(run_command({"policy", "check", path, "--identity"}).status, 1);
    const std::vector<std::string> asking{"policy",       "explain",
                                          "--key-policy", path,
                                          "--caller",     "arn:aws:iam::111122223333:user/alice",
                                          "--operation",  "Decrypt"};
    const Ran denied = run_command(asking);
    EXPECT_EQ(denied.status, 1) << denied.err;
    EXPECT_THAT(denied.out, HasSubstr("EnclaveOnly"));
    std::vector<std::string> attested = asking;
    attested.insert(attested.end(), {"--pcr", "0=" + std::string(96, 'A')});
    const Ran allowed = run_command(attested);
    EXPECT_EQ(allowed.status, 0) << allowed.out << allowed.err;
    EXPECT_THAT(allowed.out, HasSubstr("EnclaveOnly"));
    std::vector<std::string> other = asking;
    other.insert(other.end(), {"--pcr", "0=" + std::string(96, 'b')});
    EXPECT_EQ(run_command(other).status, 1);
    // A document that is none is refused before any policy.
    std::vector<std::string> forged = asking;
    forged.insert(forged.end(),
                  {"--attestation-document", file("document", "\x84nothing"), "--attestation-root",
                   test::source_dir() + "/tests/golden/aws-nitro-enclaves-root.pem"});
    const Ran refused = run_command(forged);
    EXPECT_EQ(refused.status, 1) << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("before any policy"));
}

TEST_F(KmsCli, TheKeysOfAStoreAreExplained) {
    ServiceForTest of;
    of.start();
    const AccessKey alice = add_user(of.data(), "alice");
    static_cast<void>(add_user(of.data(), "bob", {"--no-policy"}));
    const auto key = of.ask(alice, "CreateKey", "{}").at("KeyMetadata").as_object();
    const std::string id(key.at("KeyId").as_string());
    for (const auto& [caller, status] : {std::pair("alice", 0), std::pair("bob", 1)}) {
        const Ran ran = run_command({"policy", "explain", "--data", of.data(), "--key", id,
                                     "--caller", caller, "--operation", "Encrypt"});
        EXPECT_EQ(ran.status, status) << ran.out << ran.err;
    }
}

// It says so and ends as for any other failure.
TEST_F(KmsCli, ServeWithoutAThreadIsRefused) {
    static_cast<void>(add_user(data(), "alice"));
    const NoThreads none;
    const Ran ran = run_command({"serve", "--data", data(), "--listen", "127.0.0.1:0"});
    EXPECT_EQ(ran.status, 3);
    EXPECT_THAT(ran.err, HasSubstr("start a thread of the access log"));
}

TEST_F(KmsCli, RootKeysAreRotatedBesideAService) {
    ServiceForTest of;
    of.start();
    const AccessKey alice = add_user(of.data(), "alice");
    const auto key = of.ask(alice, "CreateKey", "{}").at("KeyMetadata").as_object();
    const std::string named = R"({"KeyId":")" + std::string(key.at("KeyId").as_string()) + "\"";
    const auto encrypted = of.ask(alice, "Encrypt", named + R"(,"Plaintext":"aGk="})");
    const Ran before = run_command({"root-key", "status", "--data", of.data()});
    // What serve does every few seconds, in the time that rotate gives it.
    std::thread ticking([&] {
        for (int i = 0; i < 20; ++i) {
            of.service->tick();
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
        }
    });
    const Ran rotated = run_command({"root-key", "rotate", "--wait", "1", "--data", of.data()});
    EXPECT_EQ(rotated.status, 0) << rotated.err;
    ticking.join();
    const Ran after = run_command({"root-key", "status", "--data", of.data()});
    EXPECT_NE(before.out, after.out);
    EXPECT_EQ(std::count(after.out.begin(), after.out.end(), '\n'), 1);
    // What the service wraps from now on is opened by whoever comes next.
    const auto later = of.ask(alice, "CreateKey", "{}").at("KeyMetadata").as_object();
    of.stop();
    of.start();
    static_cast<void>(of.ask(
        alice, "Encrypt",
        R"({"KeyId":")" + std::string(later.at("KeyId").as_string()) + R"(","Plaintext":"aGk="})"));
    const std::string blob(encrypted.at("CiphertextBlob").as_string());
    EXPECT_EQ(
        text_of(of.ask(alice, "Decrypt", R"({"CiphertextBlob":")" + blob + "\"}"), "Plaintext"),
        "aGk=");
}

TEST_F(KmsCli, RootKeysAreProtectedByAPassphrase) {
    static_cast<void>(add_user(data(), "alice"));
    const std::string passphrase = file("passphrase", "correct horse\n");
    ASSERT_EQ(
        run_command({"root-key", "protect", "--new-passphrase-file", passphrase, "--data", data()})
            .status,
        0);
    EXPECT_EQ(run_command({"root-key", "status", "--data", data(), "--passphrase-file", passphrase})
                  .status,
              0);
    const Ran wrong = run_command(
        {"root-key", "status", "--data", data(), "--passphrase-file", file("wrong", "another\n")});
    EXPECT_EQ(wrong.status, 3);
    EXPECT_THAT(wrong.err, HasSubstr("passphrase"));
    // Others may read it; nothing is in it.
    std::filesystem::permissions(passphrase, std::filesystem::perms(0644));
    EXPECT_EQ(run_command({"root-key", "status", "--data", data(), "--passphrase-file", passphrase})
                  .status,
              3);
    EXPECT_EQ(run_command({"root-key", "status", "--data", data(), "--passphrase-file",
                           file("empty", "\n")})
                  .status,
              3);
}

TEST_F(KmsCli, BackupsAreRestoredElsewhere) {
    ServiceForTest of;
    of.start();
    const AccessKey alice = add_user(of.data(), "alice");
    const auto key = of.ask(alice, "CreateKey", "{}").at("KeyMetadata").as_object();
    const auto encrypted = of.ask(
        alice, "Encrypt",
        R"({"KeyId":")" + std::string(key.at("KeyId").as_string()) + R"(","Plaintext":"aGk="})");
    const std::string backup = directory_.path() + "/backup";
    const std::string passphrase = file("passphrase", "of the backup");
    const Ran made = run_command(
        {"backup", backup, "--backup-passphrase-file", passphrase, "--data", of.data()});
    ASSERT_EQ(made.status, 0) << made.err;
    EXPECT_THAT(made.out, HasSubstr("1 keys, 1 materials"));
    ServiceForTest other;
    const std::vector<std::string> restoring{"restore",  backup,   "--backup-passphrase-file",
                                             passphrase, "--data", other.data()};
    const Ran restored = run_command(restoring);
    ASSERT_EQ(restored.status, 0) << restored.err;
    EXPECT_EQ(run_command(restoring).status, 3);
    other.start();
    const std::string blob(encrypted.at("CiphertextBlob").as_string());
    EXPECT_EQ(
        text_of(other.ask(alice, "Decrypt", R"({"CiphertextBlob":")" + blob + "\"}"), "Plaintext"),
        "aGk=");
}

TEST_F(KmsCli, TheProgramListensAnswersAndEnds) {
    const std::string program = test::binary_dir() + "/bin/casemate-kms";
    if (::access(program.c_str(), X_OK) != 0) {
        GTEST_SKIP() << program << " is not built";
    }
    auto pipe = make_pipe();
    ASSERT_TRUE(pipe.ok());
    const std::string socket = directory_.path() + "/socket";
    SpawnOptions options;
    options.program = program;
    options.arguments = {"serve",      "--data", data(),         "--listen", "unix:" + socket,
                         "--ready-fd", "3",      "--access-log", "none"};
    options.environment = {"CASEMATE_STATE_DIR=" + directory_.path() + "/state",
                           "CASEMATE_RUNTIME_DIR=" + directory_.path() + "/run",
                           "CASEMATE_CONFIG_DIR=" + directory_.path()};
    options.passed_fds = {pipe->second.get()};
    auto process = Process::spawn(options);
    ASSERT_TRUE(process.ok()) << process.error().message();
    pipe->second.reset();
    Bytes line(1024);
    const auto got = read_some(pipe->first.get(), line);
    ASSERT_TRUE(got.ok());
    EXPECT_EQ(as_text(ByteView(line).first(*got)), "listening on https+unix:" + socket + "\n");
    const AccessKey alice = add_user(data(), "alice");
    const Ran exported = run_command({"export-ca", "--data", data()});
    auto connection = http::Connection::over(
        connect_unix(socket, SOCK_STREAM).value(),
        http::TlsClient{crypto::TlsClientContext::from_pem(as_bytes(exported.out)).value(),
                        "localhost"});
    ASSERT_TRUE(connection.ok()) << connection.error().message();
    const auto response =
        connection->exchange(service::request_for(alice, "TrentService.CreateKey", "{}"));
    ASSERT_TRUE(response.ok()) << response.error().message();
    EXPECT_EQ(response->status, 200) << response->body;
    process->send_signal(SIGHUP);
    process->send_signal(SIGTERM);
    const auto status = process->wait();
    ASSERT_TRUE(status.ok());
    EXPECT_EQ(status->exit_code, 0) << status->text();
    EXPECT_FALSE(std::filesystem::exists(socket));
    EXPECT_EQ(run_command({"audit", "verify", "--data", data()}).status, 0);
}

}  // namespace
}  // namespace casemate::kms::cli
