#include "http/listening.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base/file.hpp"
#include "base/socket.hpp"
#include "base/temporary_directory.hpp"
#include "http/server_for_test.hpp"

namespace casemate::http {
namespace {

using testing::HasSubstr;

Options on_unix(const std::string& path, unsigned mode = 0600) {
    Options options;
    options.listeners.push_back(
        {.name = "unix", .endpoint = UnixEndpoint{.path = path, .mode = mode}});
    return options;
}

bool exists(const std::string& path) {
    struct stat file {};
    return ::lstat(path.c_str(), &file) == 0;
}

class HttpUnix : public testing::Test {
protected:
    TemporaryDirectory directory_ = TemporaryDirectory::create().value();
    std::string path_ = directory_.path() + "/socket";
};

TEST_F(HttpUnix, ServesAndRemovesItsFile) {
    for (const unsigned mode : {0600U, 0660U}) {
        bool has_address = true;
        std::string listener;
        const auto server = start_server(on_unix(path_, mode), [&](const Request& request) {
            has_address = request.peer.address.has_value();
            listener = request.peer.listener;
            return echo(request);
        });
        struct stat file {};
        ASSERT_EQ(::lstat(path_.c_str(), &file), 0);
        EXPECT_EQ(file.st_mode & 07777U, mode);
        EXPECT_EQ(server->bound_port("unix"), std::nullopt);
        auto connection =
            Connection::over(connect_unix(path_, SOCK_STREAM).value(), std::nullopt).value();
        const auto response = connection.exchange(
            {.method = "PUT", .target = "/a", .headers = {{"Host", "h"}}, .body = "b"});
        ASSERT_TRUE(response.ok()) << response.error().message();
        EXPECT_EQ(response->body, "PUT /a b");
        EXPECT_FALSE(has_address);
        EXPECT_EQ(listener, "unix");
        server->stop(std::chrono::milliseconds(1000));
        EXPECT_FALSE(exists(path_));
    }
}

TEST_F(HttpUnix, SpeaksTlsToo) {
    Options options = on_unix(path_);
    options.listeners[0].tls = authority().server;
    const auto server = start_server(std::move(options));
    auto connection = Connection::over(connect_unix(path_, SOCK_STREAM).value(),
                                       TlsClient{*authority().client, "localhost"})
                          .value();
    EXPECT_TRUE(
        connection.exchange({.method = "GET", .target = "/", .headers = {{"Host", "h"}}}).ok());
}

TEST_F(HttpUnix, ReplacesWhatIsLeftOfAnother) {
    { const auto left = listen_unix(path_, SOCK_STREAM); }
    ASSERT_TRUE(exists(path_));
    const auto server = start_server(on_unix(path_));
    EXPECT_TRUE(connect_unix(path_, SOCK_STREAM).ok());
}

TEST_F(HttpUnix, LeavesWhatIsInUse) {
    const auto other = listen_unix(path_, SOCK_STREAM);
    const auto refused = Server::start(on_unix(path_), echo);
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(HttpErrc::cannot_listen));
    EXPECT_THAT(refused.error().message(), HasSubstr("found one in use"));
    EXPECT_TRUE(exists(path_));
}

TEST_F(HttpUnix, LeavesOtherFiles) {
    ASSERT_TRUE(write_file_atomically(path_, as_bytes("precious")).ok());
    const auto refused = Server::start(on_unix(path_), echo);
    ASSERT_FALSE(refused.ok());
    EXPECT_TRUE(refused.error().is(HttpErrc::cannot_listen)) << refused.error().message();
    EXPECT_TRUE(exists(path_));
    // Nor is the file of another server removed that came after this one.
    const std::string path = directory_.path() + "/moved";
    const auto first = start_server(on_unix(path));
    ASSERT_EQ(::unlink(path.c_str()), 0);
    const auto second = start_server(on_unix(path));
    first->stop(std::chrono::milliseconds(0));
    EXPECT_TRUE(connect_unix(path, SOCK_STREAM).ok());
}

TEST_F(HttpUnix, ModesAndPlacesThatAreNoneAreRefused) {
    EXPECT_FALSE(Server::start(on_unix(path_, 0666), echo).ok());
    EXPECT_FALSE(exists(path_));
    EXPECT_FALSE(Server::start(on_unix(directory_.path() + "/nowhere/socket"), echo).ok());
}

TEST(HttpTcp, AddressesThatAreNoneAreRefused) {
    for (const char* address : {"localhost", "", "127.0.0.1.1", "256.0.0.1", "192.0.2.1"}) {
        Options options;
        options.listeners.push_back(
            {.name = "tcp", .endpoint = TcpEndpoint{.address = address, .port = 0}});
        const auto refused = Server::start(std::move(options), echo);
        ASSERT_FALSE(refused.ok()) << address;
        EXPECT_TRUE(refused.error().is(HttpErrc::cannot_listen)) << refused.error().message();
    }
}

TEST(HttpTcp, APortThatIsTakenIsRefused) {
    const auto server = start_server({});
    Options options;
    options.listeners.push_back(
        {.name = "tcp",
         .endpoint = TcpEndpoint{.address = "127.0.0.1", .port = *server->bound_port("tcp")}});
    EXPECT_FALSE(Server::start(std::move(options), echo).ok());
}

TEST(HttpTcp, OptionsThatMakeNoSenseAreRefused) {
    const auto expect_refused = [](Options options, Handler handler) {
        const auto refused = Server::start(std::move(options), std::move(handler));
        ASSERT_FALSE(refused.ok());
        EXPECT_TRUE(refused.error().is(HttpErrc::bad_argument)) << refused.error().message();
    };
    expect_refused({}, echo);
    expect_refused({.listeners = {tcp_listener(), tcp_listener()}}, echo);
    expect_refused({.listeners = {tcp_listener()}}, nullptr);
    expect_refused({.listeners = {tcp_listener()}, .limits = {.header_bytes = 0}}, echo);
    expect_refused(
        {.listeners = {tcp_listener()}, .limits = {.idle = std::chrono::milliseconds(0)}}, echo);
    const auto server = start_server({});
    EXPECT_FALSE(server->replace_tls("tcp", *authority().server).ok());
    EXPECT_FALSE(server->replace_tls("another", *authority().server).ok());
}

}  // namespace
}  // namespace casemate::http
