#include "enclave/health.hpp"

#include "enclave/restart.hpp"
#include "gtest/gtest.h"

namespace casemate::enclave {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

HealthSettings with_port() {
    HealthSettings settings;
    settings.port = 8080;
    return settings;
}

TEST(Health, WithoutAnythingToJudgeByItIsUnknown) {
    HealthJudge judge(HealthSettings{});
    judge.passed(seconds(1000));
    EXPECT_EQ(judge.health(), HealthState::unknown);
    HealthSettings ignoring;
    ignoring.silence_ms = 0;
    HealthJudge other(ignoring);
    other.init_beats();
    other.passed(seconds(1000));
    EXPECT_EQ(other.health(), HealthState::unknown);
}

TEST(Health, AnInitThatFallsSilentIsUnhealthyUntilItIsHeardAgain) {
    HealthJudge judge(HealthSettings{});
    judge.init_beats();
    EXPECT_EQ(judge.health(), HealthState::healthy);
    judge.passed(seconds(19));
    EXPECT_EQ(judge.health(), HealthState::healthy);
    judge.alive();
    judge.passed(seconds(19));
    EXPECT_EQ(judge.health(), HealthState::healthy);
    judge.passed(seconds(1));
    EXPECT_EQ(judge.health(), HealthState::unhealthy);
    EXPECT_EQ(judge.reason(), "its init has not been heard of for 20 s");
    judge.alive();
    EXPECT_EQ(judge.health(), HealthState::healthy);
    EXPECT_EQ(judge.reason(), "");
}

TEST(Health, APortIsStartingUntilItAcceptsAndThreeRefusalsAreTooMany) {
    HealthJudge judge(with_port());
    for (int i = 0; i < 10; ++i) {
        judge.probed(false, seconds(29));
        EXPECT_EQ(judge.health(), HealthState::starting);
    }
    judge.probed(true, seconds(29));
    EXPECT_EQ(judge.health(), HealthState::healthy);
    // It has started: the rest of the start period is no excuse.
    judge.probed(false, seconds(29));
    judge.probed(false, seconds(29));
    EXPECT_EQ(judge.health(), HealthState::healthy);
    judge.probed(true, seconds(29));
    judge.probed(false, seconds(29));
    judge.probed(false, seconds(29));
    EXPECT_EQ(judge.health(), HealthState::healthy);
    judge.probed(false, seconds(29));
    EXPECT_EQ(judge.health(), HealthState::unhealthy);
    EXPECT_EQ(judge.reason(), "its port 8080 accepted none of 3 connections");
    judge.probed(true, seconds(29));
    EXPECT_EQ(judge.health(), HealthState::healthy);
}

TEST(Health, APortThatNeverAcceptsIsUnhealthyAfterTheStartPeriod) {
    HealthJudge judge(with_port());
    judge.init_beats();
    judge.probed(false, seconds(30));
    judge.probed(false, seconds(35));
    EXPECT_EQ(judge.health(), HealthState::starting);
    judge.probed(false, seconds(40));
    EXPECT_EQ(judge.health(), HealthState::unhealthy);
}

TEST(Health, EitherSignMakesItUnhealthy) {
    HealthJudge judge(with_port());
    judge.init_beats();
    judge.probed(true, seconds(1));
    judge.passed(seconds(20));
    EXPECT_EQ(judge.health(), HealthState::unhealthy);
}

TEST(Restart, PoliciesAreReadStrictly) {
    for (const char* text : {"no", "always", "on-failure", "on-failure:1", "on-failure:1000000"}) {
        const auto policy = parse_restart(text);
        ASSERT_TRUE(policy) << text;
        EXPECT_EQ(to_text(*policy), text);
    }
    for (const char* text : {"", "yes", "on-failure:", "on-failure:0", "on-failure:-1",
                             "on-failure:1x", "on-failure:1000001", "on-failure2", "always:3"}) {
        EXPECT_FALSE(parse_restart(text)) << text;
    }
}

TEST(Restart, OnlyFailuresAreRestartedUnlessItIsAlways) {
    const RestartCount failure(RestartPolicy{RestartPolicy::When::on_failure, {}}, {});
    const RestartCount always(RestartPolicy{RestartPolicy::When::always, {}}, {});
    const RestartCount never(RestartPolicy{}, {});
    const End success{EndKind::exited, "", 0, {}};
    EXPECT_FALSE(failure.wanted(success));
    EXPECT_TRUE(always.wanted(success));
    const End asked{EndKind::terminated, "", {}, {}};
    EXPECT_FALSE(failure.wanted(asked));
    EXPECT_FALSE(always.wanted(asked));
    for (const End& end :
         {End{EndKind::exited, "", 1, {}}, End{EndKind::killed_inside, "", {}, 9},
          End{EndKind::guest_panic, "", {}, {}}, End{EndKind::guest_reset, "", {}, {}},
          End{EndKind::process_ended, "", {}, {}}, End{EndKind::unhealthy, "", {}, {}},
          End{EndKind::machine_failed, "", {}, {}}, End{EndKind::heartbeat_timeout, "", {}, {}}}) {
        EXPECT_TRUE(failure.wanted(end)) << name_of(end.kind);
        EXPECT_TRUE(always.wanted(end)) << name_of(end.kind);
        EXPECT_FALSE(never.wanted(end)) << name_of(end.kind);
    }
}

TEST(Restart, PausesDoubleUpToTheLongestAndTheCountEnds) {
    RestartCount count(RestartPolicy{RestartPolicy::When::on_failure, 7}, {});
    for (const int wanted : {1, 2, 4, 8, 16, 30, 30}) {
        EXPECT_EQ(count.next(), std::optional<milliseconds>(seconds(wanted)));
    }
    EXPECT_EQ(count.next(), std::nullopt);
    count.did_well();
    EXPECT_EQ(count.next(), std::optional<milliseconds>(seconds(1)));
}

}  // namespace
}  // namespace casemate::enclave
