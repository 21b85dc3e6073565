#include "attestation/report.hpp"

#include <gtest/gtest.h>

namespace casemate::attestation {
namespace {

TEST(ReportJsonTest, HasEachStepInOrder) {
    EXPECT_EQ(report_json({}), "[]");
    EXPECT_EQ(report_json({{"form", Step::Outcome::passed, "a \"b\""},
                           {"root", Step::Outcome::failed, "c"},
                           {"nonce", Step::Outcome::not_asked, ""},
                           {"age", Step::Outcome::not_reached, ""}}),
              R"([{"Step":"form","Result":"ok","Finding":"a \"b\""},)"
              R"({"Step":"root","Result":"failed","Finding":"c"},)"
              R"({"Step":"nonce","Result":"not asked","Finding":""},)"
              R"({"Step":"age","Result":"not reached","Finding":""}])");
}

}  // namespace
}  // namespace casemate::attestation
