#include "guest/init/accounts.hpp"

#include <gmock/gmock.h>

#include "guest/init/error.hpp"

namespace casemate::guest {
namespace {

using testing::HasSubstr;

constexpr std::string_view kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "broken line\n"
    "far:x:4294967295:1::/:/bin/sh\n"
    "app:x:1000:1001:App,,,:/home/app:/bin/sh\n"
    "bare:x:7:8:::\n"
    "+::::::\n";
constexpr std::string_view kGroup =
    "root:x:0:\n"
    "audio:x:29:app,other\n"
    "apps:x:1001:\n"
    "short:x\n"
    "data:x:2000:other,app";

struct Case {
    const char* name;
    const char* user;
    Identity identity;
};

class ResolveIdentity : public testing::TestWithParam<Case> {};

TEST_P(ResolveIdentity, FollowsDocker) {
    const auto identity = resolve_identity(GetParam().user, kPasswd, kGroup);
    ASSERT_TRUE(identity.ok()) << identity.error().message();
    EXPECT_EQ(identity->uid, GetParam().identity.uid);
    EXPECT_EQ(identity->gid, GetParam().identity.gid);
    EXPECT_EQ(identity->groups, GetParam().identity.groups);
    EXPECT_EQ(identity->home, GetParam().identity.home);
}

INSTANTIATE_TEST_SUITE_P(
    Users, ResolveIdentity,
    testing::Values(Case{"Nobody", "", {0, 0, {}, "/root"}},
                    Case{"Name", "app", {1000, 1001, {29, 2000}, "/home/app"}},
                    Case{"KnownNumber", "1000", {1000, 1001, {29, 2000}, "/home/app"}},
                    Case{"UnknownNumber", "4321", {4321, 0, {}, "/"}},
                    Case{"LargestNumber", "4294967294", {4294967294, 0, {}, "/"}},
                    Case{"NameAndGroup", "app:data", {1000, 2000, {}, "/home/app"}},
                    Case{"NumberAndNumber", "5:6", {5, 6, {}, "/"}},
                    Case{"NumberAndGroup", "5:audio", {5, 29, {}, "/"}},
                    Case{"GroupOnly", ":audio", {0, 29, {}, "/root"}},
                    Case{"EmptyGroup", "app:", {1000, 1001, {29, 2000}, "/home/app"}},
                    Case{"NoHome", "bare", {7, 8, {}, "/"}}),
    [](const auto& each) { return each.param.name; });

struct Refusal {
    const char* name;
    const char* user;
    const char* sentence;
};

class ResolveIdentityRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(ResolveIdentityRefuses, WithASentence) {
    const auto identity = resolve_identity(GetParam().user, kPasswd, kGroup);
    ASSERT_FALSE(identity.ok());
    EXPECT_TRUE(identity.error().is(GuestErrc::bad_user));
    EXPECT_THAT(identity.error().detail(), HasSubstr(GetParam().sentence));
}

INSTANTIATE_TEST_SUITE_P(
    Users, ResolveIdentityRefuses,
    testing::Values(
        Refusal{"UnknownName", "nope", "the image's user in its /etc/passwd, found nope, which"},
        Refusal{"UnknownGroup", "app:nope", "the image's group in its /etc/group, found nope"},
        Refusal{"NobodysNumber", "4294967295", "user number to be at most 4294967294"},
        Refusal{"HugeNumber", "18446744073709551616", "user number to be at most 4294967294"},
        Refusal{"HugeGroup", "0:4294967295", "group number to be at most 4294967294"},
        Refusal{"NegativeNumber", "-1", "in its /etc/passwd, found -1"},
        Refusal{"AccountWithNobodysNumber", "far", "in its /etc/passwd, found far"}),
    [](const auto& each) { return each.param.name; });

TEST(ResolveIdentityWithoutFiles, RootStaysRoot) {
    const auto identity = resolve_identity("", "", "");
    ASSERT_TRUE(identity.ok());
    EXPECT_EQ(*identity, (Identity{0, 0, {}, "/"}));
    EXPECT_FALSE(resolve_identity("root", "", "").ok());
}

}  // namespace
}  // namespace casemate::guest
