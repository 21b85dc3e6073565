#include "policy/principal.hpp"

#include <gtest/gtest.h>

#include "policy/context.hpp"
#include "policy/error.hpp"

namespace casemate::policy {
namespace {

constexpr std::string_view kRoot = "arn:aws:iam::111122223333:root";
constexpr std::string_view kAlice = "arn:aws:iam::111122223333:user/division/alice";
constexpr std::string_view kRole = "arn:aws:iam::111122223333:role/service/enclave";
constexpr std::string_view kSession = "arn:aws:sts::111122223333:assumed-role/enclave/i-1";
constexpr std::string_view kOther = "arn:aws:iam::444455556666:user/alice";

using List = std::vector<std::string_view>;

Principals principals(const List& texts) {
    Principals list;
    for (const std::string_view text : texts) {
        EXPECT_TRUE(list.add(Principals::Type::aws, text).ok()) << text;
    }
    return list;
}

struct Row {
    List list;
    std::string_view caller;
    Naming naming;
    bool spares;
};

class NamingTest : public testing::TestWithParam<Row> {};

TEST_P(NamingTest, FollowsTheGuide) {
    const Principals list = principals(GetParam().list);
    const Caller caller = Caller::of(GetParam().caller);
    EXPECT_EQ(list.names(caller), GetParam().naming);
    EXPECT_EQ(list.spares(caller), GetParam().spares);
}

INSTANTIATE_TEST_SUITE_P(
    Lists, NamingTest,
    testing::Values(
        Row{{"*"}, kAlice, Naming::itself, true}, Row{{"*"}, kSession, Naming::itself, true},
        Row{{"*"}, "nobody", Naming::itself, true}, Row{{kRoot}, "nobody", Naming::none, false},
        Row{{kRoot}, kRoot, Naming::itself, true}, Row{{kRoot}, kAlice, Naming::account, false},
        Row{{kRoot}, kSession, Naming::account, false}, Row{{kRoot}, kOther, Naming::none, false},
        Row{{"111122223333"}, kRoot, Naming::itself, true},
        Row{{"111122223333"}, kAlice, Naming::account, false},
        Row{{"111122223333"}, kOther, Naming::none, false},
        Row{{kAlice}, kAlice, Naming::itself, true}, Row{{kAlice}, kRoot, Naming::none, false},
        Row{{kAlice}, "arn:aws:iam::111122223333:user/division/Alice", Naming::none, false},
        Row{{kAlice}, "arn:aws:iam::111122223333:user/alice", Naming::none, false},
        Row{{kAlice}, "arn:aws-cn:iam::111122223333:user/division/alice", Naming::none, false},
        Row{{kRoot}, "arn:aws-cn:iam::111122223333:user/alice", Naming::none, false},
        Row{{kRoot, kAlice}, kAlice, Naming::itself, true},
        Row{{kRole}, kRole, Naming::itself, true}, Row{{kRole}, kSession, Naming::itself, true},
        Row{{kSession}, kSession, Naming::itself, true},
        Row{{kSession}, kRole, Naming::none, false},
        Row{{kSession}, "arn:aws:sts::111122223333:assumed-role/enclave/i-2", Naming::none, false},
        // Named beside its role, a session is spared and its sisters are not.
        Row{{kSession, kRole, kRoot}, kSession, Naming::itself, true},
        Row{{kSession, kRole, kRoot},
            "arn:aws:sts::111122223333:assumed-role/enclave/i-2",
            Naming::itself,
            false},
        Row{{kRole}, "arn:aws:sts::444455556666:assumed-role/enclave/i-1", Naming::none, false},
        Row{{kRole}, "arn:aws:sts::111122223333:assumed-role/service/i-1", Naming::none, false},
        Row{{"arn:aws:iam::111122223333:user/enclave"}, kSession, Naming::none, false}));

TEST(Principals, OfOtherTypesNameNobody) {
    Principals list;
    EXPECT_TRUE(list.add(Principals::Type::service, "ec2.amazonaws.com").ok());
    EXPECT_TRUE(list.add(Principals::Type::federated, "*").ok());
    EXPECT_TRUE(list.add(Principals::Type::canonical_user, kAlice).ok());
    EXPECT_EQ(list.names(Caller::of(kAlice)), Naming::none);
}

TEST(Principals, ThatNobodyCanBeAreRefused) {
    for (const std::string_view text : {"",
                                        "alice",
                                        "**",
                                        "1111222233334",
                                        "11112222333",
                                        "arn:aws:iam::111122223333:user/*",
                                        "arn:aws:iam::111122223333:role/a?",
                                        "arn:aws:iam::111122223333:user/",
                                        "arn:aws:iam::111122223333:user/a/",
                                        "arn:aws:iam::111122223333:group/admins",
                                        "arn:aws:iam::111122223333:Root",
                                        "arn:aws:iam::*:root",
                                        "arn:aws:iam:::root",
                                        "arn:aws:iam:eu-west-1:111122223333:root",
                                        "arn::iam::111122223333:root",
                                        "arn:aws:s3::111122223333:root",
                                        "arn:aws:sts::111122223333:assumed-role/enclave",
                                        "arn:aws:sts::111122223333:assumed-role//i-1",
                                        "arn:aws:sts::111122223333:assumed-role/enclave/",
                                        "arn:aws:sts::111122223333:root",
                                        "AIDACKCEVSQ6C2EXAMPLE",
                                        "arn:aws:iam::111122223333"}) {
        Principals list;
        const auto added = list.add(Principals::Type::aws, text);
        ASSERT_FALSE(added.ok()) << text;
        EXPECT_TRUE(added.error().is(PolicyErrc::invalid_principal)) << text;
    }
    EXPECT_TRUE(principals({"arn:aws:sts::111122223333:federated-user/bob"}).texts({}).size() == 1);
}

std::string value(const Context& context, std::string_view key) {
    const auto* values = context.find(key);
    return values == nullptr || values->size() != 1 ? "" : values->front();
}

TEST(Principals, FillTheContext) {
    Context context;
    set_principal(context, kAlice);
    EXPECT_EQ(value(context, "aws:principalarn"), kAlice);
    EXPECT_EQ(value(context, "aws:principalaccount"), "111122223333");
    EXPECT_EQ(value(context, "aws:principaltype"), "User");
    EXPECT_EQ(value(context, "aws:username"), "alice");

    Context session;
    set_principal(session, kSession);
    EXPECT_EQ(value(session, "aws:principalarn"), "arn:aws:iam::111122223333:role/enclave");
    EXPECT_EQ(value(session, "aws:principaltype"), "AssumedRole");
    EXPECT_EQ(session.find("aws:username"), nullptr);

    Context root;
    set_principal(root, kRoot);
    EXPECT_EQ(value(root, "aws:principaltype"), "Account");

    Context nobody;
    set_principal(nobody, "nobody");
    EXPECT_EQ(nobody.keys().size(), 1U);
}

TEST(Context, KnowsTheTime) {
    Context context;
    set_time(context, std::chrono::sys_time<std::chrono::milliseconds>(
                          std::chrono::milliseconds(1577836801250)));
    EXPECT_EQ(value(context, "aws:currenttime"), "2020-01-01T00:00:01.250Z");
    EXPECT_EQ(value(context, "aws:epochtime"), "1577836801");
}

TEST(Context, KeysHaveNoCaseAndManyValues) {
    Context context;
    context.add("kms:EncryptionContext:App", "a");
    context.add("KMS:encryptioncontext:APP", "b");
    ASSERT_NE(context.find("kms:encryptioncontext:app"), nullptr);
    EXPECT_EQ(*context.find("kms:encryptioncontext:app"), (std::vector<std::string>{"a", "b"}));
    context.set("kms:encryptionContext:app", "c");
    EXPECT_EQ(*context.find("kms:encryptioncontext:app"), std::vector<std::string>{"c"});
}

}  // namespace
}  // namespace casemate::policy
