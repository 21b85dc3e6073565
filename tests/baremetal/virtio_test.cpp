// Guests that drive one virtqueue each, and guests that lie about one.
#include <sys/socket.h>

#include "base/socket.hpp"
#include "tests/baremetal/harness.hpp"

namespace casemate::testing {
namespace {

using machine::ConnectReply;
using machine::ConnectRequest;
using machine::Exited;
using machine::ExitReason;
using machine::Started;

std::unique_ptr<Enclave> start(const std::string& guest) {
    auto enclave = Enclave::start(guest);
    if (!enclave) {
        ADD_FAILURE() << enclave.error().message();
        return nullptr;
    }
    return (*enclave)->next_of<Started>() ? std::move(*enclave) : nullptr;
}

void expect_reset(const Enclave& enclave) {
    const auto exited = enclave.next_of<Exited>();
    ASSERT_TRUE(exited);
    EXPECT_EQ(exited->reason, ExitReason::guest_reset) << exited->detail;
}

TEST(VirtioGuest, ConnectsToTheParentAndTalks) {
    CASEMATE_NEEDS_KVM();
    const auto enclave = start("vsock_stream");
    ASSERT_TRUE(enclave);
    const auto request = enclave->next_of<ConnectRequest>();
    ASSERT_TRUE(request);
    EXPECT_EQ(request->destination_cid, 3U);
    EXPECT_EQ(request->destination_port, 5000U);
    EXPECT_EQ(request->source_port, 1000U);
    auto pair = make_socket_pair(SOCK_STREAM);
    ASSERT_TRUE(pair);
    ASSERT_TRUE(enclave->send(ConnectReply{request->request_id, true}, {pair->first.get()}).ok());
    pair->first.reset();
    std::array<std::uint8_t, 4> said{};
    ASSERT_TRUE(read_exactly(pair->second.get(), said).ok());
    EXPECT_EQ(as_text(said), "ping");
    ASSERT_TRUE(write_all(pair->second.get(), as_bytes("pong")).ok());
    EXPECT_EQ(enclave->console_text(),
              "op 2 from 03:1388 \n"
              "op 5 from 03:1388 pong\n"
              "op 3 from 03:1388 \n"
              "op 3 from 11:1388 \n");
    std::array<std::uint8_t, 1> end{};
    EXPECT_EQ(read_some(pair->second.get(), end).value(), 0U);
    expect_reset(*enclave);
}

TEST(VirtioGuest, AsksTheSecurityModule) {
    CASEMATE_NEEDS_KVM();
    const auto enclave = start("nsm_request");
    ASSERT_TRUE(enclave);
    const auto request = receive_packet(enclave->nsm(), 0x1000);
    ASSERT_TRUE(request);
    EXPECT_EQ(as_text(request->bytes), "why?");
    ASSERT_TRUE(send_packet(enclave->nsm(), as_bytes("because")).ok());
    EXPECT_EQ(enclave->console_text(), "used 0 07 interrupt 1: because\n");
    expect_reset(*enclave);
}

TEST(VirtioGuest, KeepsTheEventQueueAndMayNotLieAboutIt) {
    CASEMATE_NEEDS_KVM();
    const auto enclave = start("vsock_event");
    ASSERT_TRUE(enclave);
    EXPECT_EQ(enclave->console_text(),
              "used 0 status 0f\n"
              "needs reset, interrupt 2, afterwards 0b\n");
    expect_reset(*enclave);
}

class LyingGuest : public ::testing::TestWithParam<const char*> {};

TEST_P(LyingGuest, BreaksItsDeviceAndNothingElse) {
    CASEMATE_NEEDS_KVM();
    const auto enclave = start(GetParam());
    ASSERT_TRUE(enclave);
    EXPECT_EQ(enclave->console_text(), "needs reset, interrupt 2, afterwards 0b\n");
    expect_reset(*enclave);
    EXPECT_EQ(enclave->process().wait()->exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(Virtio, LyingGuest,
                         ::testing::Values("vsock_bad_index", "vsock_bad_descriptor",
                                           "vsock_bad_buffer", "nsm_bad_index",
                                           "nsm_bad_descriptor"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace casemate::testing
