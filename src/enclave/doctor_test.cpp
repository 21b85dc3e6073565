#include "enclave/doctor.hpp"

#include <sys/stat.h>

#include <chrono>

#include "authority/authority.hpp"
#include "base/temporary_directory.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace casemate::enclave {
namespace {

using testing::HasSubstr;

Finding authority_in(const Paths& paths) {
    for (Finding& finding : examine(paths).findings) {
        if (finding.name == "Authority") {
            return std::move(finding);
        }
    }
    return {};
}

TEST(Doctor, LooksAtTheAuthorityAndMakesNone) {
    const auto directory = TemporaryDirectory::create().value();
    Paths paths;
    paths.state = directory.path();
    paths.runtime = directory.path();
    EXPECT_EQ(authority_in(paths).health, Health::good);
    EXPECT_THAT(authority_in(paths).found, HasSubstr("none in " + paths.authority()));

    authority::Authority authority(paths.authority(), {"i-12345678", "local", ""});
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    ASSERT_TRUE(authority.init({}, now));
    EXPECT_EQ(authority_in(paths).health, Health::good);
    EXPECT_THAT(authority_in(paths).found, HasSubstr(authority.root_path()));

    ASSERT_TRUE(authority.rotate(true, {}, now - std::chrono::days(30 * 365)));
    EXPECT_EQ(authority_in(paths).health, Health::limited);
    ASSERT_EQ(::chmod(paths.authority().c_str(), 0755), 0);
    EXPECT_EQ(authority_in(paths).health, Health::bad);
    EXPECT_THAT(authority_in(paths).found, HasSubstr("chmod go="));
    EXPECT_EQ(examine(paths).acceleration, "none");
}

}  // namespace
}  // namespace casemate::enclave
