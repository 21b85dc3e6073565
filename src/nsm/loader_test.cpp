#include "nsm/loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.hpp"
#include "base/os_error.hpp"
#include "eif/error.hpp"
#include "eif/forger.hpp"
#include "eif/measure.hpp"
#include "eif/signature.hpp"
#include "eif/signer_for_test.hpp"
#include "machine/errors.hpp"
#include "nsm/forged_kernel.hpp"

namespace casemate::nsm {
namespace {

using eif::forger::ForgedSection;
using eif::forger::Forgery;
using forged::pattern;
using machine::GuestRange;
using ::testing::HasSubstr;

constexpr std::uint64_t kMemory = 128ULL << 20U;
constexpr std::uint16_t kKernel = 1;
constexpr std::uint16_t kCommandLine = 2;
constexpr std::uint16_t kMetadata = 5;
constexpr std::uint16_t kRamdisk = 3;
constexpr std::uint16_t kSignature = 4;

ForgedSection section(std::uint16_t type, std::string data) {
    ForgedSection one;
    one.type = type;
    one.data = std::move(data);
    return one;
}

// Larger than the loader's chunk, and no multiple of it or of a page.
const std::string kPayload = pattern(1'300'003, 1);
const std::string kFirstRamdisk = pattern(70'001, 2);
const std::string kSecondRamdisk = pattern(2'200'007, 3);

Forgery image(std::string kernel) {
    Forgery forgery;
    forgery.sections = {section(kKernel, std::move(kernel)),
                        section(kCommandLine, "reboot=k panic=30 console=ttyS0"),
                        section(kMetadata, std::string(eif::forger::kMetadata)),
                        section(kRamdisk, kFirstRamdisk), section(kRamdisk, kSecondRamdisk)};
    return forgery;
}

// Guest is an empty memory file and what a test asks about it.
class Guest {
public:
    explicit Guest(std::uint64_t bytes = kMemory)
        : bytes_(bytes), file_(make_memory_file("guest", bytes).value()) {}

    Result<Loaded> load(const Forgery& forgery) {
        const UniqueFd file = eif::forger::memory_file(forge(forgery));
        auto loaded = nsm::load(file.get(), file_.get(), bytes_, eif::now_for_test());
        const auto measured = eif::measure(file.get());
        if (loaded && measured) {
            const auto& expected = measured->measurements;
            EXPECT_EQ(loaded->measurements.at(0), expected.pcr0);
            EXPECT_EQ(loaded->measurements.at(1), expected.pcr1);
            EXPECT_EQ(loaded->measurements.at(2), expected.pcr2);
        }
        return loaded;
    }

    // text gives the bytes at an address below the device hole.
    std::string text(std::uint64_t address, std::size_t size) {
        Bytes bytes(size);
        EXPECT_TRUE(read_exactly_at(file_.get(), address, bytes).ok());
        return std::string(as_text(bytes));
    }

    // Expects every byte outside of the loaded ranges to be zero, by the pages the file has.
    void expect_rest_empty(const std::vector<GuestRange>& loaded) {
        std::uint64_t at = 0;
        for (const GuestRange& range : loaded) {
            expect_zero(at, range.address);
            at = range.address + range.size;
        }
        expect_zero(at, bytes_);
    }

private:
    void expect_zero(std::uint64_t from, std::uint64_t to) {
        const off_t data = ::lseek(file_.get(), static_cast<off_t>(from), SEEK_DATA);
        EXPECT_TRUE(data < 0 || static_cast<std::uint64_t>(data) >= to)
            << "written at " << data << " between " << from << " and " << to;
    }

    std::uint64_t bytes_;
    UniqueFd file_;
};

void expect_ranges_in_order(const std::vector<GuestRange>& ranges) {
    std::uint64_t end = 0;
    for (const GuestRange& range : ranges) {
        EXPECT_EQ(range.address % machine::kPageSize, 0U);
        EXPECT_EQ(range.size % machine::kPageSize, 0U);
        EXPECT_GT(range.size, 0U);
        EXPECT_GE(range.address, end);
        end = range.address + range.size;
    }
}

TEST(Loader, PutsABzImageAndItsRamdisksIntoMemory) {
    Guest guest;
    const std::string kernel = forged::bzimage(kPayload);
    const auto loaded = guest.load(image(kernel));
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    const machine::BootImage& boot = loaded->image;
    EXPECT_EQ(boot.entry, forged::kBzImageAddress + 0x200);
    EXPECT_EQ(as_text(boot.setup_header), kernel.substr(0x1f1, 0x202 + 0x6a - 0x1f1));
    EXPECT_EQ(boot.command_line, "reboot=k panic=30 console=ttyS0");
    EXPECT_EQ(boot.initrd.size, kFirstRamdisk.size() + kSecondRamdisk.size());
    EXPECT_EQ(boot.initrd.address % machine::kPageSize, 0U);
    EXPECT_GE(boot.initrd.address, forged::kBzImageAddress + forged::kBzImageInitSize);
    EXPECT_TRUE(guest.text(forged::kBzImageAddress, kPayload.size()) == kPayload);
    EXPECT_TRUE(guest.text(boot.initrd.address, boot.initrd.size) ==
                kFirstRamdisk + kSecondRamdisk);
    ASSERT_EQ(boot.loaded.size(), 2U);
    EXPECT_EQ(boot.loaded[0].address, forged::kBzImageAddress);
    EXPECT_EQ(boot.loaded[1].address, boot.initrd.address);
    expect_ranges_in_order(boot.loaded);
    guest.expect_rest_empty(boot.loaded);
}

TEST(Loader, PutsAVmlinuxWhereItsSegmentsSay) {
    Guest guest;
    // Out of order in the file, across the loader's chunks, two of them on one page.
    const std::array<forged::ElfSegment, 3> segments{
        forged::ElfSegment{900'000, 600'000, 0x100'0000, 600'000},
        forged::ElfSegment{4096, 300, 0x180'0000, 1000},
        forged::ElfSegment{500'000, 100'000, 0x180'0400, 200'000},
    };
    const std::string kernel = forged::vmlinux(segments, 1'500'001);
    const auto loaded = guest.load(image(kernel));
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    for (const auto& one : segments) {
        EXPECT_TRUE(guest.text(one.address, one.file_size) ==
                    kernel.substr(one.file_offset, one.file_size))
            << one.address;
    }
    // Between the end of one segment's bytes and the next segment nothing was written.
    EXPECT_EQ(guest.text(0x180'0000 + 300, 0x400 - 300), std::string(0x400 - 300, '\0'));
    EXPECT_EQ(loaded->image.entry, 0x100'0000U);
    EXPECT_TRUE(loaded->image.setup_header.empty());
    ASSERT_EQ(loaded->image.loaded.size(), 3U);
    expect_ranges_in_order(loaded->image.loaded);
    guest.expect_rest_empty(loaded->image.loaded);
}

TEST(Loader, LargeGuestsHaveTheirRamdiskBelowTheDeviceHole) {
    Guest guest(6ULL << 30U);
    const std::array<forged::ElfSegment, 1> segments{
        forged::ElfSegment{4096, 4096, 0x100'0000, 4096}};
    const auto loaded = guest.load(image(forged::vmlinux(segments, 8192)));
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    const GuestRange initrd = loaded->image.initrd;
    EXPECT_LE(initrd.address + initrd.size, machine::kDeviceHole);
    EXPECT_TRUE(guest.text(initrd.address, initrd.size) == kFirstRamdisk + kSecondRamdisk);
}

TEST(Loader, TheOrderOfSectionsIsFreeAsTheFormatSays) {
    Guest guest;
    Forgery forgery = image(forged::bzimage(kPayload));
    std::swap(forgery.sections[0], forgery.sections[1]);
    std::swap(forgery.sections[2], forgery.sections[4]);
    const auto loaded = guest.load(forgery);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    EXPECT_TRUE(guest.text(loaded->image.initrd.address, loaded->image.initrd.size) ==
                kSecondRamdisk + kFirstRamdisk);
    EXPECT_EQ(loaded->image.command_line, "reboot=k panic=30 console=ttyS0");
}

TEST(Loader, AnEmptyRamdiskIsNothing) {
    Guest guest;
    Forgery forgery = image(forged::bzimage(kPayload));
    forgery.sections.pop_back();
    forgery.sections.back().data.clear();
    const auto loaded = guest.load(forgery);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    EXPECT_EQ(loaded->image.initrd.size, 0U);
    EXPECT_EQ(loaded->image.loaded.size(), 1U);
    // formats.md 1.6: the register of nothing.
    EXPECT_EQ(to_hex(loaded->measurements.at(2)).substr(0, 16), "21b9efbc18480766");
}

void expect_refused(const Result<Loaded>& loaded, RefusalKind kind, std::string_view sentence) {
    ASSERT_FALSE(loaded.ok());
    const Refused refused = refusal(loaded.error());
    EXPECT_EQ(refused.kind, kind) << refused.reason;
    EXPECT_THAT(refused.reason, HasSubstr(std::string(sentence)));
}

TEST(Loader, AWrongChecksumIsRefusedWithBothNumbers) {
    Guest guest;
    Forgery forgery = image(forged::bzimage(kPayload));
    forgery.crc_difference = 1;
    const auto loaded = guest.load(forgery);
    expect_refused(loaded, RefusalKind::bad_image, "expected CRC ");
    EXPECT_TRUE(loaded.error().is(NsmErrc::bad_image));
}

TEST(Loader, ImagesThatCannotBeStartedAreRefused) {
    Guest guest;
    Forgery forgery = image(forged::bzimage(kPayload));
    forgery.flags = 1;
    expect_refused(guest.load(forgery), RefusalKind::bad_image, "aarch64");
    expect_refused(guest.load(image("not a kernel")), RefusalKind::bad_image, "bzImage");
    expect_refused(guest.load(image("")), RefusalKind::bad_image, "");
    forgery = image(forged::bzimage(kPayload));
    forgery.magic = ".elf";
    expect_refused(guest.load(forgery), RefusalKind::bad_image, ".eif");
    forgery = image(forged::bzimage(kPayload));
    forgery.sections[4].lies_about_size = true;
    forgery.sections[4].size_lie = ~std::uint64_t{0};
    expect_refused(guest.load(forgery), RefusalKind::bad_image, "");
}

// signed_image has a signature over its own PCR0, which sign may change before.
Forgery signed_image(const eif::TestSigner& signer,
                     const std::function<void(crypto::Digest384&)>& change = {}) {
    Forgery forgery = image(forged::bzimage(kPayload));
    const UniqueFd file = eif::forger::memory_file(forge(forgery));
    crypto::Digest384 pcr0 = eif::measure(file.get())->measurements.pcr0;
    if (change) {
        change(pcr0);
    }
    const Bytes data = signer.image_signer().sign(pcr0).value();
    forgery.sections.push_back(section(kSignature, std::string(as_text(data))));
    return forgery;
}

TEST(Loader, SignedImagesHaveTheirSignerInRegister8) {
    for (const auto curve : {crypto::Curve::p256, crypto::Curve::p384, crypto::Curve::p521}) {
        Guest guest;
        const auto signer = eif::TestSigner::make(curve);
        const auto loaded = guest.load(signed_image(signer));
        ASSERT_TRUE(loaded.ok()) << loaded.error().message();
        EXPECT_EQ(loaded->measurements.size(), 4U);
        EXPECT_EQ(loaded->measurements.at(8), eif::certificate_register(signer.certificate()));
    }
    // Wherever in the file it is.
    Guest guest;
    const auto signer = eif::TestSigner::make();
    Forgery forgery = signed_image(signer);
    std::rotate(forgery.sections.begin(), forgery.sections.end() - 1, forgery.sections.end());
    const auto loaded = guest.load(forgery);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message();
    EXPECT_EQ(loaded->measurements.at(8), eif::certificate_register(signer.certificate()));
    EXPECT_EQ(guest.load(image(forged::bzimage(kPayload)))->measurements.count(8), 0U);
}

TEST(Loader, SignaturesThatDoNotHoldAreRefused) {
    Guest guest;
    const auto signer = eif::TestSigner::make();
    const auto refuse = [&](const Forgery& forgery, std::string_view sentence) {
        expect_refused(guest.load(forgery), RefusalKind::bad_signature, sentence);
    };
    // Another image's: its PCR0 signed, or this one's changed after the signature.
    refuse(signed_image(signer, [](auto& pcr0) { pcr0[0] ^= 1U; }), "over something else");
    Forgery changed = signed_image(signer);
    changed.sections[4].data[1000] ^= 1;
    refuse(changed, "over something else");
    // Another signer's certificate in front of it.
    const auto other = eif::TestSigner::make();
    Forgery swapped = signed_image(signer);
    auto parts = eif::parse_signature(as_bytes(swapped.sections[5].data)).value();
    parts.certificate_pem = other.certificate_file();
    swapped.sections[5].data = std::string(as_text(eif::encode_signature(parts)));
    refuse(swapped, "found one that it did not make");
    // A certificate and nothing that it signed.
    parts.cose_sign1.clear();
    swapped.sections[5].data = std::string(as_text(eif::encode_signature(parts)));
    refuse(swapped, "COSE_Sign1");
    swapped.sections[5].data = "";
    refuse(swapped, "");
    refuse(signed_image(eif::TestSigner::make(crypto::Curve::p256, -9, -1)), "that ended on");
    refuse(signed_image(eif::TestSigner::make(crypto::Curve::p256, 1, 9)), "that begins on");
    // Two signatures are no image at all.
    Forgery two = signed_image(signer);
    two.sections.push_back(two.sections.back());
    expect_refused(guest.load(two), RefusalKind::bad_image, "");
}

TEST(Loader, CommandLinesAreAsLongAsTheKernelTakes) {
    Guest guest;
    Forgery forgery = image(forged::bzimage(kPayload, 100));
    forgery.sections[1].data = std::string(100, 'x');
    EXPECT_TRUE(guest.load(forgery).ok());
    forgery.sections[1].data = std::string(101, 'x');
    expect_refused(guest.load(forgery), RefusalKind::bad_image,
                   "expected a command line of at most 100 bytes, found 101");
    forgery.sections[1].data = std::string(100'000, 'x');
    expect_refused(guest.load(forgery), RefusalKind::bad_image, "found 100000");
}

TEST(Loader, GuestsTooSmallAreToldHowMuchIsNeeded) {
    const Forgery forgery = image(forged::bzimage(kPayload));
    Guest tiny(2ULL << 20U);
    const auto too_small = tiny.load(forgery);
    expect_refused(too_small, RefusalKind::memory_too_small,
                   "the ramdisks need 2270008 bytes, the enclave has 2097152");
    Guest below_the_kernel(16ULL << 20U);
    expect_refused(below_the_kernel.load(forgery), RefusalKind::memory_too_small, "0x1400000");
    Guest no_room_beside(20ULL << 20U);
    EXPECT_TRUE(no_room_beside.load(forgery).ok());
    Forgery large = forgery;
    large.sections.push_back(section(kRamdisk, pattern(14'000'000, 4)));
    Guest still_small(20ULL << 20U);
    expect_refused(still_small.load(large), RefusalKind::memory_too_small, "16270008");
}

TEST(Loader, KernelsCannotReachOutsideOfMemory) {
    Guest guest;
    for (const std::uint64_t address :
         {kMemory - 4096, kMemory, machine::kDeviceHole, ~std::uint64_t{4095}}) {
        const std::array<forged::ElfSegment, 1> segments{
            forged::ElfSegment{4096, 8192, address, 8192}};
        const auto loaded = guest.load(image(forged::vmlinux(segments, 20'000)));
        EXPECT_FALSE(loaded.ok()) << address;
    }
    guest.expect_rest_empty({});
}

TEST(Loader, AMemoryFileThatIsTooShortIsNotTheImagesFault) {
    const UniqueFd file = eif::forger::memory_file(forge(image(forged::bzimage(kPayload))));
    const auto short_memory = make_memory_file("short", 4096);
    ASSERT_TRUE(short_memory.ok());
    expect_refused(load(file.get(), short_memory->get(), kMemory, {}), RefusalKind::input_output,
                   "");
}

TEST(Loader, ReadErrorsAreInputOutput) {
    EXPECT_EQ(refusal(os_error("read the image", EIO)).kind, RefusalKind::input_output);
}

}  // namespace
}  // namespace casemate::nsm
