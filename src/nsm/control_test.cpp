#include "nsm/control.hpp"

#include <gtest/gtest.h>

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
    return loaded;
}

TEST(NsmControl, MessagesComeBackAsTheyWere) {
    const auto load = decode_load(encode(a_load()));
    ASSERT_TRUE(load.ok()) << load.error().message();
    EXPECT_EQ(*load, a_load());
    for (const ModuleMessage& message :
         {ModuleMessage(a_loaded()), ModuleMessage(Loaded{}),
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
    EXPECT_LE(encode(ModuleMessage(loaded)).size(), kMaxControlPacket);
    EXPECT_TRUE(decode_module_message(encode(ModuleMessage(loaded))).ok());
    const Refused refused{RefusalKind::bad_image, std::string(100'000, 'x')};
    const Bytes packet = encode(ModuleMessage(refused));
    EXPECT_LE(packet.size(), kMaxControlPacket);
    EXPECT_TRUE(decode_module_message(packet).ok());
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
    expect_exact(encode(a_load()), decode_load);
    expect_exact(encode(ModuleMessage(a_loaded())), decode_module_message);
    expect_exact(encode(ModuleMessage(Refused{RefusalKind::bad_image, "no"})),
                 decode_module_message);
}

void expect_bad_load(const Load& load, std::string_view what) {
    const auto decoded = decode_load(encode(load));
    ASSERT_FALSE(decoded.ok()) << what;
    EXPECT_TRUE(decoded.error().is(NsmErrc::bad_message)) << what;
}

TEST(NsmControl, LoadsOutsideTheRulesAreRefused) {
    Load load = a_load();
    for (const std::uint64_t memory :
         {std::uint64_t{0}, machine::kMinMemory - 4096, machine::kMinMemory + 1,
          machine::kMaxMemory + 4096, ~std::uint64_t{0}}) {
        load.memory_bytes = memory;
        expect_bad_load(load, std::to_string(memory));
    }
    load = a_load();
    load.module_id = std::string(101, 'x');
    expect_bad_load(load, "module id");
    load = a_load();
    load.role_arn = std::string(2049, 'x');
    expect_bad_load(load, "role");
    load = a_load();
    load.instance_id = std::string(129, 'x');
    expect_bad_load(load, "instance");
    Bytes packet = encode(a_load());
    packet[9] = 2;
    EXPECT_FALSE(decode_load(packet).ok());
}

TEST(NsmControl, PacketsOfTheOtherDirectionAreRefused) {
    EXPECT_FALSE(decode_load(encode(ModuleMessage(a_loaded()))).ok());
    EXPECT_FALSE(decode_module_message(encode(a_load())).ok());
    Bytes refused = encode(ModuleMessage(Refused{RefusalKind::bad_image, "no"}));
    for (const std::uint8_t kind : Bytes{0, 4, 255}) {
        refused[1] = kind;
        EXPECT_FALSE(decode_module_message(refused).ok()) << int{kind};
    }
}

TEST(NsmControl, MeasurementsAreAscendingAndBelow32) {
    Loaded loaded;
    loaded.measurements[5] = {};
    loaded.measurements[6] = {};
    Bytes packet = encode(ModuleMessage(loaded));
    const std::size_t second = packet.size() - 50;
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
