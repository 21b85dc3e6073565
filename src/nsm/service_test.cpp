#include "nsm/service.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <future>
#include <thread>

#include "base/file.hpp"
#include "base/os_error.hpp"
#include "base/process.hpp"
#include "base/socket.hpp"
#include "codec/cbor/cbor.hpp"
#include "codec/cose.hpp"
#include "crypto/certificate.hpp"
#include "eif/forger.hpp"
#include "eif/measure.hpp"
#include "nsm/errors.hpp"
#include "nsm/forged_chain.hpp"
#include "nsm/forged_kernel.hpp"
#include "nsm/forged_requests.hpp"
#include "support/paths.hpp"

namespace casemate::nsm {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kServedMemory = 64ULL << 20U;

Load a_served_load() {
    return {kServedMemory, false, "i-1-enc2", "", "i-0918f6c55e3b61d89"};
}

std::string an_image() {
    eif::forger::Forgery forgery = eif::forger::plain();
    forgery.sections[0].data = forged::bzimage(forged::pattern(300'000, 1));
    forgery.sections[3].data = forged::pattern(100'000, 2);
    return forge(forgery);
}

// Supervisor holds the supervisor's and the guest's ends of a module's sockets.
struct Supervisor {
    FdPair control = make_socket_pair(SOCK_SEQPACKET).value();
    FdPair requests = make_socket_pair(SOCK_SEQPACKET).value();
    UniqueFd memory = make_memory_file("guest", kServedMemory).value();

    // Sends Load with its descriptors and keeps none of the module's ends.
    void send_load(const std::string& image, const Load& load = a_served_load()) {
        const UniqueFd file = eif::forger::memory_file(image);
        const std::array<int, 3> fds{file.get(), memory.get(), requests.second.get()};
        ASSERT_TRUE(send_packet(control.first.get(), encode(load), fds).ok());
        requests.second.reset();
    }

    ModuleMessage receive_answer() {
        const auto packet = receive_packet(control.first.get(), kMaxControlPacket);
        EXPECT_TRUE(packet.ok() && !packet->end_of_stream);
        return decode_module_message(packet->bytes).value();
    }

    // ask sends one request packet and gives the response packet.
    Bytes ask(ByteView request) {
        EXPECT_TRUE(send_packet(requests.first.get(), request).ok());
        const auto packet = receive_packet(requests.first.get(), kMaxResponseSize);
        EXPECT_TRUE(packet.ok() && !packet->end_of_stream);
        return packet->bytes;
    }

    std::string ask_text(std::string_view name) {
        Bytes request;
        cbor::Writer(request).put_text(name);
        return std::string(as_text(ask(request)));
    }

    // certify sends certificates for the key, which end at that time.
    Certified certify(ByteView leaf_key, TimeMs valid_until) {
        Certified certified = chain.certify(leaf_key, valid_until);
        EXPECT_TRUE(send_packet(control.first.get(), encode(certified)).ok());
        return certified;
    }

    // receive_new_key waits until the module asks for a certificate.
    Bytes receive_new_key() {
        const ModuleMessage message = receive_answer();
        EXPECT_TRUE(std::holds_alternative<NewLeafKey>(message));
        const auto* asked = std::get_if<NewLeafKey>(&message);
        return asked == nullptr ? Bytes() : asked->leaf_key;
    }

    forged::Chain chain{wall_clock()};
};

Bytes to_bytes(std::string_view text) {
    return {text.begin(), text.end()};
}

const Bytes kNoDocument = error_response(ErrorCode::internal_error);

void expect_field(const cbor::Map& map, std::string_view name, const std::optional<Bytes>& wanted) {
    auto field = map.get(name);
    if (wanted) {
        EXPECT_TRUE(std::ranges::equal(field->read_bytes().value(), *wanted)) << name;
    } else {
        EXPECT_TRUE(field->read_null().ok()) << name;
    }
}

// expect_document checks that a response is a document with these fields and certificates, signed
// by their key. It gives its time.
TimeMs expect_document(ByteView response, const forged::AttestedFields& fields,
                       const Certified& certified) {
    const auto document = forged::document_of(response);
    const auto message = document ? cose::parse_sign1(*document)
                                  : Error(cose::CoseErrc::not_sign1, to_hex(response));
    if (!message) {
        ADD_FAILURE() << message.error().message();
        return 0;
    }
    const auto key = crypto::Certificate::from_der(certified.leaf)->public_key();
    EXPECT_TRUE(key->verifies(cose::sig_structure(message->protected_header, message->payload),
                              message->signature));
    const auto map = cbor::Reader::open(message->payload)->read_map().value();
    expect_field(map, "certificate", certified.leaf);
    auto bundle = map.get("cabundle")->read_array().value();
    for (const Bytes& one : certified.bundle) {
        EXPECT_TRUE(std::ranges::equal(bundle.read_bytes().value(), one));
    }
    EXPECT_EQ(bundle.remaining(), 0U);
    expect_field(map, "user_data", fields.user_data);
    expect_field(map, "nonce", fields.nonce);
    expect_field(map, "public_key", fields.public_key);
    return static_cast<TimeMs>(map.get("timestamp")->read_uint().value());
}

// --- the real program, in its jail ---

class Program : public ::testing::Test {
protected:
    void SetUp() override {
        SpawnOptions options;
        options.program = test::binary_dir() + "/bin/casemate-nsm";
        // For a build with that sanitizer: a process that can't be traced can't be searched for
        // leaks.
        options.environment = {"ASAN_OPTIONS=detect_leaks=0"};
        options.passed_fds = {supervisor_.control.second.get()};
        auto process = Process::spawn(options);
        ASSERT_TRUE(process.ok()) << process.error().message();
        process_ = std::move(*process);
        supervisor_.control.second.reset();
    }

    // Loads the image and expects it to be taken.
    Loaded load() {
        supervisor_.send_load(an_image());
        const ModuleMessage answer = supervisor_.receive_answer();
        EXPECT_TRUE(std::holds_alternative<Loaded>(answer));
        return std::get<Loaded>(answer);
    }

    std::string proc(const std::string& name) const {
        const auto bytes =
            read_file("/proc/" + std::to_string(process_.pid()) + "/" + name, 1U << 20U);
        return bytes ? std::string(as_text(*bytes)) : bytes.error().message();
    }

    void expect_exit(int code) {
        const auto status = process_.wait();
        ASSERT_TRUE(status.ok());
        EXPECT_EQ(status->exit_code, code) << status->text();
    }

    Supervisor supervisor_;
    Process process_;
};

TEST_F(Program, LoadsAndAnswersRequests) {
    const Loaded loaded = load();
    const UniqueFd file = eif::forger::memory_file(an_image());
    const auto measured = eif::measure(file.get());
    ASSERT_TRUE(measured.ok());
    EXPECT_EQ(loaded.measurements.at(0), measured->measurements.pcr0);
    EXPECT_EQ(loaded.measurements.at(1), measured->measurements.pcr1);
    EXPECT_EQ(loaded.measurements.at(2), measured->measurements.pcr2);
    Bytes kernel(300'000);
    ASSERT_TRUE(read_exactly_at(supervisor_.memory.get(), forged::kBzImageAddress, kernel).ok());
    EXPECT_TRUE(as_text(kernel) == forged::pattern(300'000, 1));

    EXPECT_THAT(supervisor_.ask_text("DescribeNSM"), HasSubstr("i-1-enc2"));
    EXPECT_NE(supervisor_.ask_text("GetRandom"), supervisor_.ask_text("GetRandom"));
    Bytes describe;
    cbor::Writer writer(describe);
    writer.begin_map(1);
    writer.put_text("DescribePCR");
    writer.begin_map(1);
    writer.put_text("index");
    writer.put_uint(0);
    const std::string answer(as_text(supervisor_.ask(describe)));
    EXPECT_THAT(answer, HasSubstr(std::string(as_text(measured->measurements.pcr0))));
    EXPECT_EQ(loaded.leaf_key.size(), 120U);
    EXPECT_THAT(supervisor_.ask_text("nonsense"), HasSubstr("InvalidOperation"));
    EXPECT_THAT(std::string(as_text(supervisor_.ask(Bytes(kMaxRequestSize + 1)))),
                HasSubstr("InputTooLarge"));
    EXPECT_THAT(supervisor_.ask_text("DescribeNSM"), HasSubstr("i-1-enc2"));
}

constexpr TimeMs kHour = 3'600'000;

TEST_F(Program, SignsDocumentsOnceItIsCertified) {
    const Loaded loaded = load();
    EXPECT_EQ(supervisor_.ask(forged::attestation({})), kNoDocument);
    const TimeMs before = wall_clock();
    const Certified certified = supervisor_.certify(loaded.leaf_key, before + kHour);
    for (std::uint8_t i = 0; i < 200; ++i) {
        const forged::AttestedFields fields{Bytes(std::size_t{5} * i, i), Bytes{i}, std::nullopt};
        const Bytes response = supervisor_.ask(forged::attestation(fields));
        EXPECT_GE(expect_document(response, fields, certified), before);
    }
}

TEST_F(Program, BadRequestsGetTheirErrorsAndTheNextOneWorks) {
    const Loaded loaded = load();
    const Certified certified = supervisor_.certify(loaded.leaf_key, wall_clock() + kHour);
    for (const forged::BadRequest& bad : forged::bad_requests()) {
        if (bad.request.empty()) {
            // A packet of no bytes is the socket's end; the VMM answers such a request itself.
            continue;
        }
        EXPECT_EQ(to_hex(supervisor_.ask(bad.request)), to_hex(error_response(bad.answer)))
            << bad.what;
        const forged::AttestedFields fields{to_bytes(bad.what), std::nullopt, std::nullopt};
        expect_document(supervisor_.ask(forged::attestation(fields)), fields, certified);
    }
    EXPECT_THAT(supervisor_.ask_text("DescribeNSM"), HasSubstr("i-1-enc2"));
}

TEST_F(Program, CertificatesThatCantBeUsedChangeNothing) {
    const Loaded loaded = load();
    const auto other = crypto::PrivateKey::generate(crypto::Curve::p384).value();
    supervisor_.certify(other.public_key().spki(), wall_clock() + kHour);
    supervisor_.certify(loaded.leaf_key, 1);
    Certified broken = supervisor_.chain.certify(loaded.leaf_key, wall_clock() + kHour);
    broken.leaf.pop_back();
    ASSERT_TRUE(send_packet(supervisor_.control.first.get(), encode(broken)).ok());
    EXPECT_EQ(supervisor_.ask(forged::attestation({})), kNoDocument);
    const Certified certified = supervisor_.certify(loaded.leaf_key, wall_clock() + kHour);
    supervisor_.certify(other.public_key().spki(), wall_clock() + kHour);
    supervisor_.certify(loaded.leaf_key, wall_clock() + 2 * kHour);
    expect_document(supervisor_.ask(forged::attestation({})), {}, certified);
}

TEST_F(Program, RenewsItsKeyAndTheGuestNoticesNothing) {
    Bytes key = load().leaf_key;
    for (int renewal = 0; renewal < 3; ++renewal) {
        const TimeMs end = wall_clock() + 1800;
        const Certified certified = supervisor_.certify(key, end);
        // Documents bear these certificates from now on, and still when the next key is asked for.
        for (int round = 0; round < 2; ++round) {
            const Bytes response = supervisor_.ask(forged::attestation({}));
            if (response == kNoDocument) {
                // Only where this test did not run for so long that they have ended.
                EXPECT_GE(wall_clock(), end);
            } else {
                EXPECT_LT(expect_document(response, {}, certified), end);
            }
            if (round == 0) {
                const Bytes next = supervisor_.receive_new_key();
                EXPECT_NE(next, key);
                key = next;
            }
        }
    }
    const Certified last = supervisor_.certify(key, wall_clock() + kHour);
    expect_document(supervisor_.ask(forged::attestation({})), {}, last);
}

TEST_F(Program, SignsNothingAfterTheEndOfItsCertificates) {
    const TimeMs end = wall_clock() + 300;
    const Certified certified = supervisor_.certify(load().leaf_key, end);
    // Asked without pause: documents first, unless this test was held up, and then none.
    Bytes response = supervisor_.ask(forged::attestation({}));
    while (response != kNoDocument) {
        EXPECT_LT(expect_document(response, {}, certified), end);
        response = supervisor_.ask(forged::attestation({}));
    }
    EXPECT_GE(wall_clock(), end);
    EXPECT_THAT(supervisor_.ask_text("DescribeNSM"), HasSubstr("i-1-enc2"));
    const Certified next = supervisor_.certify(supervisor_.receive_new_key(), wall_clock() + kHour);
    expect_document(supervisor_.ask(forged::attestation({})), {}, next);
}

TEST_F(Program, GivesMemoryBackWhenNobodyAsks) {
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root may see the memory of a process that may not be traced";
    }
    const auto resident = [this] {
        const std::string rollup = proc("smaps_rollup");
        const std::size_t at = rollup.find("Rss:");
        return at == std::string::npos ? 0 : std::stoul(rollup.substr(at + 4));
    };
    const Certified certified = supervisor_.certify(load().leaf_key, wall_clock() + kHour);
    expect_document(supervisor_.ask(forged::attestation({})), {}, certified);
    const std::size_t after_signing = resident();
    ASSERT_GT(after_signing, 0U);
    // A test that runs out of time here is a module that keeps it.
    while (resident() >= after_signing) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    expect_document(supervisor_.ask(forged::attestation({})), {}, certified);
}

TEST_F(Program, EndsOnCertificatesThatAreNoMessage) {
    const Loaded loaded = load();
    Bytes packet = encode(supervisor_.chain.certify(loaded.leaf_key, wall_clock() + kHour));
    packet.push_back(0);
    ASSERT_TRUE(send_packet(supervisor_.control.first.get(), packet).ok());
    expect_exit(1);
}

TEST_F(Program, EndsOnCertificatesWithADescriptor) {
    const Loaded loaded = load();
    const std::array<int, 1> fds{supervisor_.memory.get()};
    const Bytes packet = encode(supervisor_.chain.certify(loaded.leaf_key, wall_clock() + kHour));
    ASSERT_TRUE(send_packet(supervisor_.control.first.get(), packet, fds).ok());
    expect_exit(1);
}

TEST_F(Program, EndsOnCertificatesBeforeLoad) {
    const auto key = crypto::PrivateKey::generate(crypto::Curve::p384).value();
    supervisor_.certify(key.public_key().spki(), wall_clock() + kHour);
    expect_exit(1);
}

TEST_F(Program, EndsWellWhenTheGuestsSideCloses) {
    load();
    supervisor_.requests.first.reset();
    expect_exit(0);
}

TEST_F(Program, EndsWellWhenTheSupervisorCloses) {
    load();
    supervisor_.control.first.reset();
    expect_exit(0);
}

TEST_F(Program, EndsWhenTheSupervisorClosesBeforeLoad) {
    supervisor_.control.first.reset();
    expect_exit(1);
}

TEST_F(Program, RefusesABadImageAndEnds) {
    std::string image = an_image();
    image.back() ^= 1;
    supervisor_.send_load(image);
    const ModuleMessage answer = supervisor_.receive_answer();
    ASSERT_TRUE(std::holds_alternative<Refused>(answer));
    EXPECT_EQ(std::get<Refused>(answer).kind, RefusalKind::bad_image);
    EXPECT_THAT(std::get<Refused>(answer).reason, HasSubstr("CRC"));
    expect_exit(1);
}

TEST_F(Program, EndsOnAPacketThatIsNotLoad) {
    ASSERT_TRUE(send_packet(supervisor_.control.first.get(), as_bytes("hello")).ok());
    expect_exit(1);
    // The other side sees that nobody is there.
    const auto packet = receive_packet(supervisor_.control.first.get(), kMaxControlPacket);
    EXPECT_TRUE(!packet.ok() || packet->end_of_stream);
}

TEST_F(Program, EndsOnALoadWithoutItsDescriptors) {
    ASSERT_TRUE(send_packet(supervisor_.control.first.get(), encode(a_served_load())).ok());
    expect_exit(1);
}

TEST_F(Program, EndsOnASecondLoad) {
    load();
    ASSERT_TRUE(send_packet(supervisor_.control.first.get(), encode(a_served_load())).ok());
    expect_exit(1);
}

TEST_F(Program, ItsDeathClosesTheGuestsSocket) {
    load();
    process_.send_signal(SIGKILL);
    ASSERT_TRUE(process_.wait().ok());
    const auto packet = receive_packet(supervisor_.requests.first.get(), kMaxResponseSize);
    EXPECT_TRUE(!packet.ok() || packet->end_of_stream);
}

TEST_F(Program, IsJailedWhileItServes) {
    load();
    EXPECT_THAT(supervisor_.ask_text("DescribeNSM"), HasSubstr("SHA384"));
    const std::string status = proc("status");
    EXPECT_THAT(status, HasSubstr("Seccomp:\t2\n"));
    EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1\n"));
    EXPECT_THAT(status, HasSubstr("CapEff:\t0000000000000000\n"));
    EXPECT_THAT(status, HasSubstr("Threads:\t1\n"));
    // The standard three, the control socket and the request socket: neither image nor memory.
    if (::geteuid() != 0) {
        GTEST_SKIP() << "only root may list the descriptors of a process that may not be traced";
    }
    std::vector<std::string> open;
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(process_.pid()) + "/fd")) {
        open.push_back(std::filesystem::read_symlink(entry.path()).string());
    }
    EXPECT_EQ(open.size(), 5U);
    for (const std::string& one : open) {
        EXPECT_THAT(one, ::testing::Not(HasSubstr("memfd")));
    }
    EXPECT_THAT(proc("maps"), ::testing::Not(HasSubstr("memfd")));
}

TEST_F(Program, LetsTheSupervisorSealTheMemoryAfterLoading) {
    load();
    // Sealing against writing is refused as long as anybody has a writable mapping.
    EXPECT_EQ(::fcntl(supervisor_.memory.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK), 0)
        << os_error("seal").message();
}

// --- in this process ---

void no_log(const std::string& /*line*/) {
}

TEST(Service, PrepareHandsOverTheRequestSocketOnly) {
    Supervisor supervisor;
    supervisor.send_load(an_image());
    const auto prepared = prepare(supervisor.control.second.get());
    ASSERT_TRUE(prepared.ok()) << prepared.error().message();
    EXPECT_EQ(prepared->module_id, "i-1-enc2");
    EXPECT_TRUE(prepared->bank.find(0)->locked);
    EXPECT_EQ(prepared->bank.find(0)->value, prepared->loaded.measurements.at(0));
    EXPECT_EQ(to_hex(prepared->bank.find(4)->value).substr(0, 8), "d0531b14");
    EXPECT_EQ(prepared->loaded.leaf_key, prepared->keys.waiting());
    // Nothing has been answered yet.
    pollfd ready{supervisor.control.first.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&ready, 1, 0), 0);
}

TEST(Service, DebugModeAnswersZeroRegistersAndReportsTheImagesOwn) {
    Supervisor supervisor;
    Load load = a_served_load();
    load.debug = true;
    supervisor.send_load(an_image(), load);
    const auto prepared = prepare(supervisor.control.second.get());
    ASSERT_TRUE(prepared.ok());
    EXPECT_NE(prepared->loaded.measurements.at(0), PcrValue{});
    EXPECT_EQ(prepared->bank.find(0)->value, PcrValue{});
}

TEST(Service, DescriptorsSentWithARequestAreDropped) {
    Supervisor supervisor;
    supervisor.send_load(an_image());
    auto prepared = prepare(supervisor.control.second.get());
    ASSERT_TRUE(prepared.ok());
    auto served = std::async(std::launch::async, [&] {
        return serve(supervisor.control.second.get(), std::move(*prepared), no_log).ok();
    });
    supervisor.receive_answer();
    auto pipe = make_pipe();
    const std::array<int, 1> fds{pipe->second.get()};
    Bytes request;
    cbor::Writer(request).put_text("DescribeNSM");
    ASSERT_TRUE(send_packet(supervisor.requests.first.get(), request, fds).ok());
    ASSERT_TRUE(receive_packet(supervisor.requests.first.get(), kMaxResponseSize).ok());
    pipe->second.reset();
    // The reading end sees the end only when no copy of the writing end is left.
    std::array<std::uint8_t, 1> byte{};
    EXPECT_EQ(read_some(pipe->first.get(), byte).value(), 0U);
    supervisor.requests.first.reset();
    EXPECT_TRUE(served.get());
}

}  // namespace
}  // namespace casemate::nsm
