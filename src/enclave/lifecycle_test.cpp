#include "enclave/lifecycle.hpp"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace casemate::enclave {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<InitLine> feed_all(InitLines& lines, std::string_view text) {
    return lines.feed(as_bytes(text));
}

TEST(InitLines, LinesArriveWhole) {
    InitLines lines;
    EXPECT_THAT(feed_all(lines, "casemate-in"), IsEmpty());
    EXPECT_THAT(feed_all(lines, "it 1\nexited sta"), ElementsAre(InitLine(InitHello{})));
    EXPECT_THAT(feed_all(lines, "tus 255\n"), ElementsAre(InitLine(InitExited{255})));
    EXPECT_FALSE(lines.broken());
}

TEST(InitLines, EachReportIsUnderstood) {
    const auto report = [](const std::string& line) {
        InitLines lines;
        return feed_all(lines, "casemate-init 1\n" + line + "\n");
    };
    EXPECT_EQ(report("exited signal 9").at(1), InitLine(InitSignalled{9}));
    EXPECT_EQ(report("failed no /bin/app \x1b[0m").at(1), InitLine(InitFailed{"no /bin/app ?[0m"}));
}

TEST(InitLines, TheSecondVersionSaysThatItLives) {
    InitLines lines;
    EXPECT_THAT(feed_all(lines, "casemate-init 2\nalive\nalive\nexited status 1\n"),
                ElementsAre(InitLine(InitHello{true}), InitLine(InitAlive{}), InitLine(InitAlive{}),
                            InitLine(InitExited{1})));
    EXPECT_FALSE(lines.broken());
}

TEST(InitLines, AnythingElseBreaksTheStream) {
    for (const std::string text :
         {"exited status 0\n", "casemate-init 3\n", "alive\n", "casemate-init 1\ncasemate-init 2\n",
          "casemate-init 2\nexited status 0\nalive\n", "casemate-init 2\nalive \n",
          "casemate-init 1\nexited status 256\n", "casemate-init 1\nexited status -1\n",
          "casemate-init 1\nexited status 1x\n", "casemate-init 1\nexited signal 0\n",
          "casemate-init 1\nexited signal 65\n", "casemate-init 1\nexited status 1\nfailed x\n",
          "\n"}) {
        InitLines lines;
        static_cast<void>(feed_all(lines, text));
        EXPECT_TRUE(lines.broken()) << text;
        EXPECT_THAT(feed_all(lines, "casemate-init 1\n"), IsEmpty()) << text;
    }
}

TEST(InitLines, AnEndlessLineBreaksTheStream) {
    InitLines lines;
    static_cast<void>(feed_all(lines, std::string(kMaxInitLine, 'x')));
    EXPECT_TRUE(lines.broken());
}

ExitStatus killed(int signal) {
    return {std::nullopt, signal};
}

TEST(Conclude, AKilledProcessComesBeforeWhatItsDeathLedTo) {
    Evidence evidence;
    evidence.machine_exit = machine::Exited{machine::ExitReason::failed, "no answer"};
    evidence.processes.push_back({"casemate-vmm", ExitStatus{1, 0}});
    evidence.processes.push_back({"casemate-nsm", killed(9)});
    const End end = conclude(evidence);
    EXPECT_EQ(end.kind, EndKind::process_ended);
    EXPECT_THAT(end.reason, HasSubstr("casemate-nsm was killed by signal 9"));
}

TEST(Conclude, TheProgramsReportComesBeforeTheReset) {
    Evidence evidence;
    evidence.machine_exit = machine::Exited{machine::ExitReason::guest_reset, ""};
    evidence.report = InitExited{3};
    const End end = conclude(evidence);
    EXPECT_EQ(end.kind, EndKind::exited);
    EXPECT_EQ(end.exit_status, 3);
}

TEST(Conclude, ARequestedEndKeepsTheProgramsStatus) {
    Evidence evidence;
    evidence.terminated_by = "SIGTERM";
    evidence.report = InitSignalled{15};
    evidence.processes.push_back({"casemate-vmm", killed(9)});
    const End end = conclude(evidence);
    EXPECT_EQ(end.kind, EndKind::terminated);
    EXPECT_EQ(end.signal, 15);
    EXPECT_THAT(end.reason, HasSubstr("terminated by SIGTERM"));
}

TEST(Conclude, WhatBecameOfAProgramThatWasAskedToEndIsTold) {
    Evidence evidence;
    evidence.terminated_by = "terminate-enclave";
    evidence.allowed = std::chrono::seconds(5);
    EXPECT_EQ(conclude(evidence).reason,
              "terminated by terminate-enclave; the machine was stopped, as init did not end its "
              "program within 5.0 s");
    evidence.report = InitExited{0};
    evidence.report_after = std::chrono::milliseconds(342);
    EXPECT_EQ(conclude(evidence).reason,
              "terminated by terminate-enclave; its program ended with exit status 0 after 0.3 s");
    evidence.report = InitSignalled{9};
    EXPECT_EQ(conclude(evidence).reason,
              "terminated by terminate-enclave; its program was killed by signal 9 (Killed) after "
              "0.3 s");
    evidence.report_after = std::chrono::milliseconds(5001);
    EXPECT_EQ(conclude(evidence).reason,
              "terminated by terminate-enclave; its program was killed by signal 9 (Killed), as it "
              "did not end within 5.0 s");
}

TEST(Conclude, AnUnhealthyEnclaveKeepsItsReasonAndItsProgramsStatus) {
    Evidence evidence;
    evidence.unhealthy = "nobody accepts at port 80";
    evidence.allowed = std::chrono::seconds(1);
    evidence.report = InitExited{0};
    evidence.report_after = std::chrono::milliseconds(100);
    const End end = conclude(evidence);
    EXPECT_EQ(end.kind, EndKind::unhealthy);
    EXPECT_EQ(end.exit_status, 0);
    EXPECT_EQ(end.reason,
              "unhealthy: nobody accepts at port 80; its program ended with exit status 0 after "
              "0.1 s");
}

TEST(Conclude, EachSingleCauseIsNamed) {
    Evidence panic;
    panic.panic_line = "Kernel panic - not syncing";
    panic.machine_exit = machine::Exited{machine::ExitReason::guest_reset, ""};
    EXPECT_EQ(conclude(panic).kind, EndKind::guest_panic);
    Evidence heartbeat;
    heartbeat.heartbeat_timed_out = true;
    heartbeat.heartbeat_failure = "none";
    EXPECT_EQ(conclude(heartbeat).kind, EndKind::heartbeat_timeout);
    Evidence reset;
    reset.machine_exit = machine::Exited{machine::ExitReason::guest_reset, ""};
    EXPECT_EQ(conclude(reset).kind, EndKind::guest_reset);
    Evidence fault;
    fault.machine_exit = machine::Exited{machine::ExitReason::guest_shutdown, ""};
    EXPECT_THAT(conclude(fault).reason, HasSubstr("triple fault"));
    Evidence failure;
    failure.machine_exit = machine::Exited{machine::ExitReason::failed, "KVM said no"};
    EXPECT_EQ(conclude(failure).kind, EndKind::machine_failed);
    EXPECT_THAT(conclude(failure).reason, HasSubstr("KVM said no"));
    Evidence start;
    start.start_failure = "bad image";
    EXPECT_EQ(conclude(start), (End{EndKind::start_failed, "bad image", {}, {}}));
    Evidence silent;
    silent.processes.push_back({"casemate-vmm", ExitStatus{4, 0}});
    EXPECT_EQ(conclude(silent).reason, "casemate-vmm ended with exit status 4 and did not say why");
    silent.module_last_words = "casemate-nsm: certificate not taken";
    EXPECT_EQ(conclude(silent).reason, "casemate-vmm ended with exit status 4 and did not say why");
    silent.last_words = "no room";
    EXPECT_EQ(conclude(silent).reason,
              "casemate-vmm ended with exit status 4; its last words: no room");
    silent.processes.front().name = "casemate-nsm";
    EXPECT_EQ(
        conclude(silent).reason,
        "casemate-nsm ended with exit status 4; its last words: casemate-nsm: certificate not "
        "taken");
}

}  // namespace
}  // namespace casemate::enclave
