// For tests: a whole service without its front, over a store of its own: SQLite in its directory,
// or, with CASEMATE_KMS_TEST_STORE=postgresql, a database of a PostgreSQL server that this process
// starts.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "attestation/testing/forger.hpp"
#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "kms/core/core.hpp"
#include "kms/operations/operation.hpp"
#include "kms/store/postgresql_for_test.hpp"

namespace casemate::kms {

inline constexpr std::string_view kTestRegion = "eu-central-1";
inline constexpr std::string_view kTestAccount = "111122223333";

// database_for_test makes an empty database of the process's own PostgreSQL server.
inline std::string database_for_test() {
    if (!PostgresqlForTest::binaries()) {
        std::fputs("SKIPPED: PostgreSQL is not installed\n", stdout);
        std::exit(1);
    }
    static const std::unique_ptr<PostgresqlForTest> server = PostgresqlForTest::start().value();
    static int count = 0;
    const std::string name = "test" + std::to_string(++count);
    EXPECT_TRUE(open_postgresql(server->url()).value()->run("CREATE DATABASE " + name));
    return server->url_of(name);
}

// store_for_test gives a place for Repository::open.
inline std::string store_for_test(const std::string& directory) {
    const char* kind = std::getenv("CASEMATE_KMS_TEST_STORE");
    return kind != nullptr && std::string_view(kind) == "postgresql" ? database_for_test()
                                                                     : directory + "/kms";
}

// CoreForTest: documents of the forger's hierarchy are trusted, at the forger's time.
class CoreForTest {
public:
    explicit CoreForTest(TrustRules rules = {.roots = {},
                                             .isolation = {attestation::Isolation::nitro,
                                                           attestation::Isolation::kvm,
                                                           attestation::Isolation::software}})
        : directory_(TemporaryDirectory::create().value()),
          repository_(Repository::open(store_for_test(directory_.path())).value()),
          vault_(Vault::open(directory_.path() + "/kms").value()),
          keyring_(*repository_, vault_, std::string(kTestRegion)),
          trust_(with_roots(std::move(rules))),
          core_{*repository_, vault_, keyring_, trust_} {}

    [[nodiscard]] Core& core() { return core_; }
    [[nodiscard]] Repository& repository() { return *repository_; }
    [[nodiscard]] Vault& vault() { return vault_; }
    [[nodiscard]] Keyring& keyring() { return keyring_; }

    // caller makes one; his own policy is JSON, empty for none.
    [[nodiscard]] static Caller caller(std::string_view name = "alice",
                                       std::string_view own_policy = kEverything,
                                       std::string_view account = kTestAccount) {
        Caller made;
        made.account = account;
        made.arn = "arn:aws:iam::" + std::string(account) + ":user/" + std::string(name);
        made.access_key_id = "AKIAEXAMPLE";
        if (!own_policy.empty()) {
            made.policy = policy::Policy::parse(own_policy, policy::Kind::identity_policy).value();
        }
        return made;
    }

    // call makes a request of JSON; its time is the forger's unless the test sets another.
    [[nodiscard]] Call call(std::string_view operation, std::string_view input,
                            Caller who = caller()) const {
        Call made;
        made.request_id = "00000000-0000-4000-8000-000000000000";
        made.operation = operation;
        made.caller = std::move(who);
        made.secure = true;
        made.source_address = "127.0.0.1";
        made.now = now_;
        made.memory = cleansing_memory();
        made.input = parse_object(input, made.memory).value();
        return made;
    }

    // ask performs one.
    [[nodiscard]] Result<Answer> ask(std::string_view operation, std::string_view input,
                                     Caller who = caller()) {
        Call made = call(operation, input, std::move(who));
        return perform(core_, made);
    }

    void set_now(Time now) { now_ = now; }
    [[nodiscard]] Time now() const { return now_; }

    static constexpr std::string_view kEverything =
        R"({"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]})";

private:
    [[nodiscard]] TrustRules with_roots(TrustRules rules) const {
        if (rules.roots.empty()) {
            const std::string file = directory_.path() + "/root.pem";
            const std::string pem =
                attestation::forger::forge(attestation::forger::plain()).root().to_pem();
            EXPECT_TRUE(write_file_atomically(file, as_bytes(pem), 0600));
            rules.roots.push_back(file);
        }
        return rules;
    }

    TemporaryDirectory directory_;
    std::unique_ptr<Repository> repository_;
    Vault vault_;
    Keyring keyring_;
    Trust trust_;
    Core core_;
    Time now_{attestation::forger::kMade.time_since_epoch()};
};

// expect_error checks an answer's error.
inline void expect_error(const Result<Answer>& answer, KmsErrc code) {
    ASSERT_FALSE(answer.ok());
    EXPECT_TRUE(answer.error().is(code)) << answer.error().message();
}

}  // namespace casemate::kms
