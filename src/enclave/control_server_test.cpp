#include "enclave/control_server.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "base/socket.hpp"
#include "base/temporary_directory.hpp"
#include "enclave/errors.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace casemate::enclave {
namespace {

using testing::HasSubstr;

class ControlServerTest : public testing::Test {
protected:
    ControlServerTest()
        : directory_(TemporaryDirectory::create().value()),
          loop_(EventLoop::create().value()),
          server_(loop_, {[] { return std::string("{}"); }, [this](auto) { ++ends_; },
                          [] { return Result<>(); }, [](UniqueFd) {}}) {
        std::filesystem::permissions(directory_.path(), std::filesystem::perms(0755));
        EXPECT_TRUE(server_.listen(path()));
    }

    [[nodiscard]] std::string path() const { return directory_.path() + "/control"; }

    UniqueFd connect() {
        auto socket = connect_unix(path(), SOCK_STREAM);
        EXPECT_TRUE(socket) << socket.error().message();
        return socket ? std::move(*socket) : UniqueFd();
    }

    // The kernel notes a client's user when it connects.
    UniqueFd connect_as(uid_t user) {
        EXPECT_EQ(::seteuid(user), 0);
        UniqueFd socket = connect();
        EXPECT_EQ(::seteuid(0), 0);
        return socket;
    }

    void turn() {
        for (int i = 0; i < 200; ++i) {
            ASSERT_TRUE(loop_.run_once(std::chrono::milliseconds(0)));
        }
    }

    std::string ask(const UniqueFd& socket, const std::string& request) {
        EXPECT_TRUE(write_all(socket.get(), as_bytes(control_request(request))));
        turn();
        std::string answer(1024, '\0');
        const ssize_t size = ::recv(socket.get(), answer.data(), answer.size(), MSG_DONTWAIT);
        answer.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
        return answer;
    }

    TemporaryDirectory directory_;
    EventLoop loop_;
    int ends_ = 0;
    ControlServer server_;
};

TEST_F(ControlServerTest, OtherUsersMayDescribeAndNothingElse) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root can connect as another user";
    }
    EXPECT_EQ(ask(connect_as(12345), "describe"), "{}\n");
    EXPECT_THAT(ask(connect_as(12345), "terminate"), HasSubstr("error"));
    EXPECT_THAT(ask(connect_as(12345), "console"), HasSubstr("error"));
    EXPECT_EQ(ends_, 0);
}

TEST_F(ControlServerTest, OtherUsersCannotKeepTheOwnerFromEndingIt) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root can connect as another user";
    }
    std::vector<UniqueFd> silent;
    for (std::size_t i = 0; i < 2 * kMaxControlClients; ++i) {
        silent.push_back(connect_as(12345));
    }
    turn();
    const UniqueFd owner = connect();
    EXPECT_EQ(ask(owner, "terminate"), "");
    EXPECT_EQ(ends_, 1);
}

}  // namespace
}  // namespace casemate::enclave
