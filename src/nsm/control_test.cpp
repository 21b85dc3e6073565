#include "nsm/control.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "nsm/errors.hpp"

namespace casemate::nsm {
namespace {

Load a_load() {
    return {256ULL << 20U, true, "i-0123456789abcdef0-enc0123456789abcdef",
            "arn:aws:iam::123456789012:role/Webserver", "i-0123456789abcdef0"};
}

Loaded a_loaded() {
    Loaded loaded;
    loaded.image.entry = 0x100'0200;
    loaded.image.setup_header = {1, 2, 3};
    loaded.image.initrd = {0x200'0000, 12345};
    loaded.image.command_line = "console=ttyS0";
    loaded.image.loaded = {{0x100'0000, 0x1000}, {0x200'0000, 0x4000}};
    loaded.measurements[0].fill(1);
    loaded.measurements[1].fill(2);
    loaded.measurements[8].fill(3);
    loaded.leaf_key = Bytes(120, 0x30);
    return loaded;
}

Certified a_certified() {
    return {Bytes(640, 1), {Bytes(533, 2), Bytes(706, 3), Bytes(792, 4), Bytes(642, 5)}, 1'700'000};
}

TEST(NsmControl, MessagesComeBackAsTheyWere) {
    for (const SupervisorMessage& message :
         {SupervisorMessage(a_load()), SupervisorMessage(a_certified())}) {
        const auto again = decode_supervisor_message(encode(message));
        ASSERT_TRUE(again.ok()) << again.error().message();
        EXPECT_TRUE(*again == message);
    }
    for (const ModuleMessage& message :
         {ModuleMessage(a_loaded()), ModuleMessage(Loaded{{}, {}, Bytes{1}}),
          ModuleMessage(NewLeafKey{Bytes(120, 0x31)}),
          ModuleMessage(Refused{RefusalKind::memory_too_small, "expected more"})}) {
        const auto again = decode_module_message(encode(message));
        ASSERT_TRUE(again.ok()) << again.error().message();
        EXPECT_TRUE(*again == message);
    }
}

TEST(NsmControl, TheLongestMessagesFitAPacket) {
    Loaded loaded = a_loaded();
    loaded.image.setup_header = Bytes(0x202 + 255 - 0x1f1);
    loaded.image.command_line = std::string(4095, 'x');
    loaded.image.loaded.assign(65, {0x1000, 0x1000});
    for (std::uint16_t i = 0; i < 32; ++i) {
        loaded.measurements[i].fill(7);
    }
    loaded.leaf_key = Bytes(kMaxLeafKey, 1);
    EXPECT_LE(encode(ModuleMessage(loaded)).size(), kMaxControlPacket);
    EXPECT_TRUE(decode_module_message(encode(ModuleMessage(loaded))).ok());
    const Refused refused{RefusalKind::bad_image, std::string(100'000, 'x')};
    const Bytes packet = encode(ModuleMessage(refused));
    EXPECT_LE(packet.size(), kMaxControlPacket);
    EXPECT_TRUE(decode_module_message(packet).ok());
    Certified certified{Bytes(kMaxCertificate, 1), {}, 1};
    certified.bundle.assign(kMaxBundle, Bytes(kMaxCertificate, 2));
    EXPECT_LE(encode(certified).size(), kMaxControlPacket);
    EXPECT_TRUE(decode_supervisor_message(encode(certified)).ok());
}

// Every shorter and every longer packet is refused.
template <class Decode>
void expect_exact(const Bytes& packet, Decode decode) {
    for (std::size_t size = 0; size < packet.size(); ++size) {
        const auto cut = decode(ByteView(packet).first(size));
        EXPECT_FALSE(cut.ok()) << size;
    }
    Bytes longer = packet;
    longer.push_back(0);
    const auto extended = decode(ByteView(longer));
    ASSERT_FALSE(extended.ok());
    EXPECT_TRUE(extended.error().is(NsmErrc::bad_message));
}

TEST(NsmControl, PacketsOfTheWrongLengthAreRefused) {
    expect_exact(encode(a_load()), decode_supervisor_message);
    expect_exact(encode(a_certified()), decode_supervisor_message);
    expect_exact(encode(ModuleMessage(NewLeafKey{Bytes(120, 1)})), decode_module_message);
    expect_exact(encode(ModuleMessage(a_loaded())), decode_module_message);
    expect_exact(encode(ModuleMessage(Refused{RefusalKind::bad_image, "no"})),
                 decode_module_message);
}

void expect_bad(const SupervisorMessage& message, std::string_view what) {
    const auto decoded = decode_supervisor_message(encode(message));
    ASSERT_FALSE(decoded.ok()) << what;
    EXPECT_TRUE(decoded.error().is(NsmErrc::bad_message)) << what;
}

void expect_bad(const ModuleMessage& message, std::string_view what) {
    const auto decoded = decode_module_message(encode(message));
    ASSERT_FALSE(decoded.ok()) << what;
    EXPECT_TRUE(decoded.error().is(NsmErrc::bad_message)) << what;
}

TEST(NsmControl, LoadsOutsideTheRulesAreRefused) {
    Load load = a_load();
    for (const std::uint64_t memory :
         {std::uint64_t{0}, machine::kMinMemory - 4096, machine::kMinMemory + 1,
          machine::kMaxMemory + 4096, ~std::uint64_t{0}}) {
        load.memory_bytes = memory;
        expect_bad(load, std::to_string(memory));
    }
    load = a_load();
    load.module_id = std::string(101, 'x');
    expect_bad(load, "module id");
    load = a_load();
    load.role_arn = std::string(2049, 'x');
    expect_bad(load, "role");
    load = a_load();
    load.instance_id = std::string(129, 'x');
    expect_bad(load, "instance");
    Bytes packet = encode(a_load());
    packet[9] = 2;
    EXPECT_FALSE(decode_supervisor_message(packet).ok());
}

TEST(NsmControl, CertificatesOutsideTheRulesAreRefused) {
    Certified certified = a_certified();
    for (const std::size_t size : {std::size_t{0}, kMaxCertificate + 1}) {
        certified.leaf.assign(size, 1);
        expect_bad(certified, "leaf of " + std::to_string(size));
    }
    certified = a_certified();
    for (const std::size_t size : {std::size_t{0}, kMaxCertificate + 1}) {
        certified.bundle.back().assign(size, 1);
        expect_bad(certified, "bundle's of " + std::to_string(size));
    }
    certified = a_certified();
    for (const std::size_t count : {std::size_t{0}, kMaxBundle + 1}) {
        certified.bundle.assign(count, Bytes{1});
        expect_bad(certified, "bundle of " + std::to_string(count));
    }
    certified = a_certified();
    for (const std::int64_t until :
         {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
        certified.valid_until_ms = until;
        expect_bad(certified, "end at " + std::to_string(until));
    }
}

TEST(NsmControl, LeafKeysOutsideTheRulesAreRefused) {
    for (const std::size_t size : {std::size_t{0}, kMaxLeafKey + 1}) {
        Loaded loaded = a_loaded();
        loaded.leaf_key.assign(size, 1);
        expect_bad(ModuleMessage(loaded), "Loaded with " + std::to_string(size));
        expect_bad(ModuleMessage(NewLeafKey{Bytes(size, 1)}), std::to_string(size));
    }
}

TEST(NsmControl, PacketsOfTheOtherDirectionAreRefused) {
    EXPECT_FALSE(decode_supervisor_message(encode(ModuleMessage(a_loaded()))).ok());
    EXPECT_FALSE(decode_supervisor_message(encode(ModuleMessage(NewLeafKey{Bytes{1}}))).ok());
    EXPECT_FALSE(decode_module_message(encode(a_certified())).ok());
    EXPECT_FALSE(decode_module_message(encode(a_load())).ok());
    Bytes refused = encode(ModuleMessage(Refused{RefusalKind::bad_image, "no"}));
    for (const std::uint8_t kind : Bytes{0, 5, 255}) {
        refused[1] = kind;
        EXPECT_FALSE(decode_module_message(refused).ok()) << int{kind};
    }
}

TEST(NsmControl, MeasurementsAreAscendingAndBelow32) {
    Loaded loaded;
    loaded.measurements[5] = {};
    loaded.measurements[6] = {};
    loaded.leaf_key = {1};
    Bytes packet = encode(ModuleMessage(loaded));
    const std::size_t key = 4 + loaded.leaf_key.size();
    const std::size_t second = packet.size() - key - 50;
    const std::size_t first = second - 50;
    ASSERT_EQ(packet[first], 5);
    ASSERT_EQ(packet[second], 6);
    packet[second] = 5;
    EXPECT_FALSE(decode_module_message(packet).ok());
    packet[second] = 32;
    EXPECT_FALSE(decode_module_message(packet).ok());
    packet[second] = 31;
    EXPECT_TRUE(decode_module_message(packet).ok());
}

}  // namespace
}  // namespace casemate::nsm
