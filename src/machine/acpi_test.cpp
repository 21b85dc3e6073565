#include "machine/acpi.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <numeric>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"

namespace casemate::machine {
namespace {

constexpr std::uint64_t kAddress = 0xe'0000;

unsigned sum(ByteView bytes) {
    return std::accumulate(bytes.begin(), bytes.end(), 0U) & 0xffU;
}

template <std::unsigned_integral T>
T read_at(ByteView raw, std::size_t offset) {
    T value = 0;
    EXPECT_TRUE(ByteReader(raw.subspan(offset)).read_le(value));
    return value;
}

// table_at gives the table at a guest-physical address, by its own length.
ByteView table_at(ByteView raw, std::uint64_t address) {
    const std::size_t offset = address - kAddress;
    return raw.subspan(offset, read_at<std::uint32_t>(raw, offset + 4));
}

TEST(Acpi, EveryTableIsReachedAndSumsToZero) {
    for (const std::uint32_t vcpus : {1U, 64U}) {
        const Bytes raw = acpi_tables(kAddress, vcpus, 2);
        EXPECT_LE(raw.size(), 0x1'0000U);
        EXPECT_EQ(as_text(ByteView(raw).first(8)), "RSD PTR ");
        EXPECT_EQ(sum(ByteView(raw).first(20)), 0U);
        EXPECT_EQ(sum(ByteView(raw).first(36)), 0U);
        const auto xsdt = table_at(raw, read_at<std::uint64_t>(raw, 24));
        EXPECT_EQ(as_text(xsdt.first(4)), "XSDT");
        EXPECT_EQ(sum(xsdt), 0U);
        ASSERT_EQ(xsdt.size(), 36U + 16);
        const auto fadt = table_at(raw, read_at<std::uint64_t>(xsdt, 36));
        EXPECT_EQ(as_text(fadt.first(4)), "FACP");
        EXPECT_EQ(fadt.size(), 276U);
        EXPECT_EQ(sum(fadt), 0U);
        const auto madt = table_at(raw, read_at<std::uint64_t>(xsdt, 44));
        EXPECT_EQ(as_text(madt.first(4)), "APIC");
        EXPECT_EQ(sum(madt), 0U);
        EXPECT_EQ(madt.size(), 44U + vcpus * 8 + 12 + 6);
        const auto dsdt = table_at(raw, read_at<std::uint64_t>(fadt, 140));
        EXPECT_EQ(as_text(dsdt.first(4)), "DSDT");
        EXPECT_EQ(sum(dsdt), 0U);
        EXPECT_EQ(read_at<std::uint32_t>(fadt, 40), read_at<std::uint64_t>(fadt, 140));
    }
}

TEST(Acpi, IntelsDisassemblerReadsTheDevices) {
    if (std::system("command -v iasl >/dev/null") != 0) {
        GTEST_SKIP() << "no iasl (Debian package acpica-tools) on this machine";
    }
    const auto directory = TemporaryDirectory::create().value();
    const Bytes raw = acpi_tables(kAddress, 2, 2);
    const auto xsdt = table_at(raw, read_at<std::uint64_t>(raw, 24));
    const auto fadt = table_at(raw, read_at<std::uint64_t>(xsdt, 36));
    const auto dsdt = table_at(raw, read_at<std::uint64_t>(fadt, 140));
    const std::string path = directory.path() + "/dsdt";
    ASSERT_TRUE(write_file_atomically(path + ".aml", dsdt));
    ASSERT_EQ(std::system(("iasl -d " + path + ".aml >/dev/null 2>&1").c_str()), 0);
    const auto text = read_file(path + ".dsl", 1U << 20U);
    ASSERT_TRUE(text);
    const std::string_view source = as_text(*text);
    for (const std::string_view wanted :
         {"PNP0501", "\"LNRO0005\"", "0xD0000000", "0xD0001000", "0x03F8", "0x00000004,",
          "0x00000005,", "0x00000006,", "Edge, ActiveHigh, Exclusive"}) {
        EXPECT_NE(source.find(wanted), std::string_view::npos) << wanted << "\n" << source;
    }
}

}  // namespace
}  // namespace casemate::machine
