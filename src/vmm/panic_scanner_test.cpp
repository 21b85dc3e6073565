#include "vmm/panic_scanner.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace casemate::vmm {
namespace {

std::vector<std::string> scan(const std::string& console) {
    PanicScanner scanner;
    std::vector<std::string> found;
    for (const char letter : console) {
        if (auto message = scanner.take(static_cast<std::uint8_t>(letter))) {
            found.push_back(std::move(*message));
        }
    }
    return found;
}

TEST(PanicScanner, GivesTheMessageOnce) {
    EXPECT_EQ(scan("booting\r\n[    1.5] Kernel panic - not syncing: no init\r\n"
                   "[    1.6] Kernel panic - not syncing: again\n"),
              std::vector<std::string>{"Kernel panic - not syncing: no init"});
}

TEST(PanicScanner, WaitsForTheLinesEnd) {
    EXPECT_TRUE(scan("Kernel panic - not syncing: half").empty());
    EXPECT_TRUE(scan("Kernel panic - not\nsyncing\n").empty());
}

TEST(PanicScanner, KeepsMessagesShortAndPrintable) {
    EXPECT_EQ(scan("Kernel panic - not syncing: \x1b[2J\x80" + std::string(1000, 'x') + "\n"),
              std::vector<std::string>{
                  ("Kernel panic - not syncing:  [2J " + std::string(1000, 'x')).substr(0, 256)});
}

TEST(PanicScanner, FindsItAfterALineWithoutEnd) {
    EXPECT_EQ(scan(std::string(100'000, 'x') + "\nKernel panic - not syncing: b\n"),
              std::vector<std::string>{"Kernel panic - not syncing: b"});
}

}  // namespace
}  // namespace casemate::vmm
