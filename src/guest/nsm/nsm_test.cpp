// libnsm's functions against the real module's code (src/nsm), and against modules that answer
// nonsense; and the C++ face on top of them.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <nsm.h>
#include <unistd.h>

#include <cerrno>

#include "casemate/nsm.hpp"
#include "codec/cbor/cbor.hpp"
#include "crypto/digest.hpp"
#include "guest/nsm/real_module.hpp"
#include "guest/nsm/stand_in_driver.hpp"

namespace casemate::libnsm {
namespace {

using testing::Each;
using testing::ElementsAre;

constexpr std::uint32_t kDigestSize = 48;

Bytes text(std::string_view words) {
    Bytes out;
    cbor::Writer(out).put_text(words);
    return out;
}

Bytes joined(std::initializer_list<Bytes> parts) {
    Bytes out;
    for (const Bytes& part : parts) {
        out.insert(out.end(), part.begin(), part.end());
    }
    return out;
}

Bytes bytes_item(ByteView content) {
    Bytes out;
    cbor::Writer(out).put_bytes(content);
    return out;
}

Bytes error_answer(std::string_view code) {
    return joined({{0xa1}, text("Error"), text(code)});
}

// The module itself, as an enclave of an image with this PCR0 has it.
class Module : public testing::Test {
protected:
    int fd() { return driver_.fd(); }

    RealModule module_{"i-1-enc0000000000000002"};
    StandInDriver driver_{[this](ByteView request) { return module_.answer(request); }};
};

TEST_F(Module, IsDescribed) {
    NsmDescription description;
    ASSERT_EQ(nsm_get_description(fd(), &description), ERROR_CODE_SUCCESS);
    EXPECT_EQ(description.version_major, 1);
    EXPECT_EQ(description.version_minor, 0);
    EXPECT_EQ(description.version_patch, 0);
    EXPECT_STREQ(reinterpret_cast<const char*>(description.module_id), "i-1-enc0000000000000002");
    EXPECT_EQ(description.module_id_len, 23U);
    EXPECT_EQ(description.max_pcrs, 32);
    ASSERT_EQ(description.locked_pcrs_len, 16U);
    for (std::uint16_t i = 0; i < 16; ++i) {
        EXPECT_EQ(description.locked_pcrs[i], i);
    }
    EXPECT_EQ(description.digest, DIGEST_SHA384);
}

TEST_F(Module, ExtendsAndLocksRegisters) {
    const std::array<std::uint8_t, 3> data{1, 2, 3};
    std::array<std::uint8_t, kDigestSize> value{};
    std::uint32_t size = value.size();
    ASSERT_EQ(nsm_extend_pcr(fd(), 31, data.data(), data.size(), value.data(), &size),
              ERROR_CODE_SUCCESS);
    EXPECT_EQ(size, kDigestSize);
    Bytes extended(kDigestSize);
    extended.insert(extended.end(), data.begin(), data.end());
    EXPECT_EQ(value, crypto::sha384(extended));

    bool locked = true;
    std::array<std::uint8_t, kDigestSize> described{};
    ASSERT_EQ(nsm_describe_pcr(fd(), 31, &locked, described.data(), &size), ERROR_CODE_SUCCESS);
    EXPECT_FALSE(locked);
    EXPECT_EQ(described, value);
    EXPECT_EQ(nsm_lock_pcr(fd(), 31), ERROR_CODE_SUCCESS);
    EXPECT_EQ(nsm_lock_pcr(fd(), 31), ERROR_CODE_READ_ONLY_INDEX);
    ASSERT_EQ(nsm_describe_pcr(fd(), 31, &locked, described.data(), &size), ERROR_CODE_SUCCESS);
    EXPECT_TRUE(locked);
    EXPECT_EQ(nsm_extend_pcr(fd(), 31, data.data(), data.size(), value.data(), &size),
              ERROR_CODE_READ_ONLY_INDEX);
    EXPECT_EQ(nsm_extend_pcr(fd(), 0, data.data(), 0, value.data(), &size),
              ERROR_CODE_READ_ONLY_INDEX);

    EXPECT_EQ(nsm_lock_pcrs(fd(), 32), ERROR_CODE_SUCCESS);
    EXPECT_EQ(nsm_lock_pcrs(fd(), 33), ERROR_CODE_INVALID_INDEX);
    EXPECT_EQ(nsm_lock_pcr(fd(), 32), ERROR_CODE_INVALID_INDEX);
    EXPECT_EQ(nsm_describe_pcr(fd(), UINT16_MAX, &locked, described.data(), &size),
              ERROR_CODE_INVALID_INDEX);
    EXPECT_EQ(nsm_extend_pcr(fd(), 256, data.data(), 3, value.data(), &size),
              ERROR_CODE_INVALID_INDEX);
}

TEST_F(Module, CutsWhatDoesNotFitTheBuffer) {
    bool locked = false;
    std::array<std::uint8_t, 8> value{};
    std::uint32_t size = 7;
    EXPECT_EQ(nsm_describe_pcr(fd(), 0, &locked, value.data(), &size), ERROR_CODE_BUFFER_TOO_SMALL);
    EXPECT_TRUE(locked);
    EXPECT_EQ(size, 7U);
    EXPECT_THAT(value, ElementsAre(0xa0, 0xa0, 0xa0, 0xa0, 0xa0, 0xa0, 0xa0, 0));
    size = 99;
    EXPECT_EQ(nsm_describe_pcr(fd(), 0, &locked, nullptr, &size), ERROR_CODE_BUFFER_TOO_SMALL);
    EXPECT_EQ(size, 0U);
    // The register is extended all the same.
    EXPECT_EQ(nsm_extend_pcr(fd(), 16, value.data(), 1, nullptr, &size),
              ERROR_CODE_BUFFER_TOO_SMALL);
    EXPECT_NE(module_.pcr(16).value, nsm::PcrValue{});
}

TEST_F(Module, IsNotAskedWithoutWhatTheAnswerNeeds) {
    std::array<std::uint8_t, kDigestSize> value{};
    std::uint32_t size = value.size();
    std::uintptr_t random_size = value.size();
    bool locked = false;
    EXPECT_EQ(nsm_get_description(fd(), nullptr), ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_EQ(nsm_extend_pcr(fd(), 16, nullptr, 0, value.data(), &size),
              ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_EQ(nsm_extend_pcr(fd(), 16, value.data(), 1, value.data(), nullptr),
              ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_EQ(nsm_describe_pcr(fd(), 0, nullptr, value.data(), &size), ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_EQ(nsm_describe_pcr(fd(), 0, &locked, value.data(), nullptr),
              ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_EQ(
        nsm_get_attestation_doc(fd(), nullptr, 0, nullptr, 0, nullptr, 0, value.data(), nullptr),
        ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_EQ(nsm_get_random(fd(), nullptr, &random_size), ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_EQ(nsm_get_random(fd(), value.data(), nullptr), ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_EQ(nsm_get_random(-1, value.data(), &random_size), ERROR_CODE_INVALID_ARGUMENT);
    random_size = 0;
    EXPECT_EQ(nsm_get_random(fd(), value.data(), &random_size), ERROR_CODE_INVALID_ARGUMENT);
    EXPECT_TRUE(driver_.requests().empty());
}

TEST_F(Module, IsAskedForNoMoreThanTheDriverTakes) {
    std::vector<std::uint8_t> data(1 << 20);
    std::array<std::uint8_t, kDigestSize> value{};
    std::uint32_t size = value.size();
    // {"ExtendPCR": {"index": 16, "data": …}} with a head of three bytes.
    constexpr std::uint32_t kAround = 1 + 10 + 1 + 6 + 1 + 5 + 3;
    EXPECT_EQ(nsm_extend_pcr(fd(), 16, data.data(), 4096 - kAround, value.data(), &size),
              ERROR_CODE_SUCCESS);
    EXPECT_EQ(driver_.requests().back().size(), 4096U);
    for (const std::uint32_t length : {4096 - kAround + 1, 4096U, 65536U, 1U << 20U}) {
        EXPECT_EQ(nsm_extend_pcr(fd(), 16, data.data(), length, value.data(), &size),
                  ERROR_CODE_INPUT_TOO_LARGE);
    }
    EXPECT_EQ(driver_.requests().size(), 1U);
}

TEST_F(Module, GivesRandomBytes) {
    std::array<std::uint8_t, 300> first{};
    std::array<std::uint8_t, 300> second{};
    std::uintptr_t size = first.size();
    ASSERT_EQ(nsm_get_random(fd(), first.data(), &size), ERROR_CODE_SUCCESS);
    EXPECT_EQ(size, 256U);
    size = 255;
    ASSERT_EQ(nsm_get_random(fd(), second.data(), &size), ERROR_CODE_SUCCESS);
    EXPECT_EQ(size, 255U);
    EXPECT_EQ(second[255], 0);
    EXPECT_NE(first, second);
}

TEST_F(Module, IsOpenedAndClosedByTheLibrary) {
    const std::int32_t opened = nsm_lib_init();
    ASSERT_GE(opened, 0);
    NsmDescription description;
    EXPECT_EQ(nsm_get_description(opened, &description), ERROR_CODE_SUCCESS);
    nsm_lib_exit(opened);
    EXPECT_EQ(fcntl(opened, F_GETFD), -1);
}

TEST_F(Module, SpeaksCppAsWell) {
    const auto module = SecurityModule::open();
    ASSERT_TRUE(module.has_value());
    const auto description = module->describe();
    ASSERT_TRUE(description);
    EXPECT_EQ(description->module_id, "i-1-enc0000000000000002");
    EXPECT_THAT(description->version, ElementsAre(1, 0, 0));
    EXPECT_EQ(description->max_pcrs, 32);
    EXPECT_EQ(description->locked_pcrs.size(), 16U);
    EXPECT_EQ(description->digest, DIGEST_SHA384);

    const auto extended = module->extend(20, {});
    ASSERT_TRUE(extended);
    EXPECT_EQ(extended->size(), kDigestSize);
    EXPECT_EQ(module->lock(20), ERROR_CODE_SUCCESS);
    const auto found = module->pcr(20);
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->locked);
    EXPECT_EQ(found->value, *extended);
    EXPECT_EQ(module->lock_range(33), ERROR_CODE_INVALID_INDEX);
    const auto refused = module->extend(20, as_bytes("again"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error(), ERROR_CODE_READ_ONLY_INDEX);
    EXPECT_EQ(casemate::describe(refused.error()), "the register is locked");

    std::vector<std::uint8_t> random(600);
    EXPECT_EQ(module->random(random), ERROR_CODE_SUCCESS);
    EXPECT_NE(Bytes(random.begin(), random.begin() + 256),
              Bytes(random.begin() + 256, random.begin() + 512));
    EXPECT_THAT(Bytes(random.end() - 32, random.end()), testing::Not(Each(0)));
}

TEST_F(Module, Attests) {
    std::vector<std::uint8_t> document(0x3000);
    auto size = static_cast<std::uint32_t>(document.size());
    const std::string data = "words";
    const auto attest = [&] {
        return nsm_get_attestation_doc(fd(), as_bytes(data).data(), 5, as_bytes(data).data(), 0,
                                       nullptr, 0, document.data(), &size);
    };
    EXPECT_EQ(attest(), ERROR_CODE_INTERNAL_ERROR);  // not certified yet
    ASSERT_TRUE(module_.certify());
    ASSERT_EQ(attest(), ERROR_CODE_SUCCESS);
    document.resize(size);
    EXPECT_EQ(field_of(document, "user_data"), "words");
    EXPECT_EQ(field_of(document, "nonce"), "");
    EXPECT_EQ(field_of(document, "public_key"), std::nullopt);

    const auto module = SecurityModule::open();
    ASSERT_TRUE(module.has_value());
    const std::vector<std::uint8_t> most(1024, 'x');
    const auto full = module->attest({.user_data = most, .nonce = most, .public_key = most});
    ASSERT_TRUE(full);
    EXPECT_EQ(field_of(*full, "public_key"), std::string(1024, 'x'));
    const std::vector<std::uint8_t> more(1025);
    EXPECT_EQ(module->attest({.nonce = more}).error(), ERROR_CODE_INPUT_TOO_LARGE);
}

TEST(Attestation, CarriesWhatIsGivenAndNullForWhatIsNot) {
    const Bytes document(5000, 0x84);
    const Bytes answer =
        joined({{0xa1}, text("Attestation"), {0xa1}, text("document"), bytes_item(document)});
    StandInDriver driver([&](ByteView) { return answer; });
    std::array<std::uint8_t, 8192> buffer{};
    std::uint32_t size = buffer.size();
    const std::array<std::uint8_t, 1024> key{7};
    ASSERT_EQ(nsm_get_attestation_doc(driver.fd(), nullptr, 17, buffer.data(), 0, key.data(),
                                      key.size(), buffer.data(), &size),
              ERROR_CODE_SUCCESS);
    EXPECT_EQ(Bytes(buffer.begin(), buffer.begin() + size), document);
    EXPECT_EQ(driver.requests().back(), joined({{0xa1},
                                                text("Attestation"),
                                                {0xa3},
                                                text("user_data"),
                                                {0xf6},
                                                text("nonce"),
                                                {0x40},
                                                text("public_key"),
                                                bytes_item(key)}));
    const auto module = SecurityModule::open();
    ASSERT_TRUE(module.has_value());
    const auto again =
        module->attest({.nonce = std::span<const std::uint8_t>(), .public_key = key});
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, document);
    EXPECT_EQ(driver.requests()[0], driver.requests()[1]);
    // Three of 1,024 bytes are the most that the module takes, and they fit.
    EXPECT_TRUE(module->attest({.user_data = key, .nonce = key, .public_key = key}));
    const std::vector<std::uint8_t> large(5000);
    EXPECT_EQ(module->attest({.user_data = large}).error(), ERROR_CODE_INPUT_TOO_LARGE);
    EXPECT_EQ(driver.requests().size(), 3U);
    size = 4999;
    EXPECT_EQ(nsm_get_attestation_doc(driver.fd(), nullptr, 0, nullptr, 0, nullptr, 0,
                                      buffer.data(), &size),
              ERROR_CODE_BUFFER_TOO_SMALL);
    EXPECT_EQ(size, 4999U);
}

TEST(Driver, FailuresAreTold) {
    int error = EMSGSIZE;
    StandInDriver driver([&](ByteView) { return error; });
    EXPECT_EQ(nsm_lock_pcr(driver.fd(), 0), ERROR_CODE_INPUT_TOO_LARGE);
    for (const int other : {EBADF, ENOTTY, ENODATA, ETIMEDOUT, EFAULT, EINTR}) {
        error = other;
        EXPECT_EQ(nsm_lock_pcr(driver.fd(), 0), ERROR_CODE_INTERNAL_ERROR);
    }
}

TEST(Driver, ThatClaimsMoreThanTheBufferHasIsNotBelieved) {
    StandInDriver driver([](ByteView) { return text("LockPCR"); });
    driver.claim_size(0x3001);
    EXPECT_EQ(nsm_lock_pcr(driver.fd(), 0), ERROR_CODE_INTERNAL_ERROR);
    driver.claim_size(UINT64_MAX);
    EXPECT_EQ(nsm_lock_pcr(driver.fd(), 0), ERROR_CODE_INTERNAL_ERROR);
}

TEST(Driver, ThatClaimsOneByteMoreForABodyThatHasItIsNotBelieved) {
    const Bytes head = joined({{0xa1}, text("GetRandom"), {0xa1}, text("random")});
    const std::size_t size = 0x3001 - head.size() - 3;
    StandInDriver driver([&](ByteView) {
        return joined(
            {head,
             {0x59, static_cast<std::uint8_t>(size >> 8U), static_cast<std::uint8_t>(size)},
             Bytes(size)});
    });
    driver.claim_size(0x3001);
    std::array<std::uint8_t, 16> random{};
    std::uintptr_t length = random.size();
    EXPECT_EQ(nsm_get_random(driver.fd(), random.data(), &length), ERROR_CODE_INTERNAL_ERROR);
}

TEST(Device, IsMissingOutsideOfEnclaves) {
    if (access("/dev/nsm", F_OK) == 0) {
        GTEST_SKIP() << "SKIPPED: this machine has /dev/nsm";
    }
    EXPECT_EQ(nsm_lib_init(), -1);
    EXPECT_EQ(errno, ENOENT);
    EXPECT_FALSE(SecurityModule::open().has_value());
}

// What the functions make of any answer.
class Answers : public testing::Test {
protected:
    ErrorCode description() { return nsm_get_description(driver_.fd(), &description_); }
    ErrorCode pcr() {
        size_ = static_cast<std::uint32_t>(value_.size());
        return nsm_describe_pcr(driver_.fd(), 0, &locked_, value_.data(), &size_);
    }

    Bytes answer_;
    StandInDriver driver_{[this](ByteView) { return answer_; }};
    NsmDescription description_{};
    std::array<std::uint8_t, 64> value_{};
    std::uint32_t size_ = 0;
    bool locked_ = false;
};

TEST_F(Answers, ErrorsOfTheModuleArePassedOn) {
    constexpr std::array<std::string_view, 8> kNames{
        "InvalidArgument",  "InvalidIndex",   "InvalidResponse", "ReadOnlyIndex",
        "InvalidOperation", "BufferTooSmall", "InputTooLarge",   "InternalError"};
    for (std::size_t i = 0; i < kNames.size(); ++i) {
        answer_ = error_answer(kNames[i]);
        const auto code = static_cast<ErrorCode>(i + 1);
        EXPECT_EQ(pcr(), code);
        EXPECT_EQ(description(), code);
        EXPECT_EQ(nsm_lock_pcr(driver_.fd(), 0), code);
    }
    // Success is what no error says.
    for (const std::string_view name : {"Success", "Unheard", ""}) {
        answer_ = error_answer(name);
        EXPECT_EQ(pcr(), ERROR_CODE_INTERNAL_ERROR);
        EXPECT_EQ(nsm_lock_pcrs(driver_.fd(), 0), ERROR_CODE_INTERNAL_ERROR);
    }
}

TEST_F(Answers, ToAnotherRequestAreNone) {
    answer_ = text("LockPCRs");
    EXPECT_EQ(nsm_lock_pcr(driver_.fd(), 0), ERROR_CODE_INVALID_RESPONSE);
    EXPECT_EQ(pcr(), ERROR_CODE_INVALID_RESPONSE);
    answer_ = joined({{0xa1}, text("ExtendPCR"), {0xa1}, text("data"), bytes_item(Bytes(48))});
    EXPECT_EQ(nsm_lock_pcr(driver_.fd(), 0), ERROR_CODE_INVALID_RESPONSE);
    EXPECT_EQ(pcr(), ERROR_CODE_INVALID_RESPONSE);
}

TEST_F(Answers, MayHoldMoreThanIsKnownInAnyOrderAndWidth) {
    const Bytes unknown = from_hex(
                              "83"                            // an array of
                              "c11a00000001"                  // a tag
                              "a1613082f6fb0000000000000000"  // a map of nothing and a float
                              "3bffffffffffffffff")
                              .value();
    answer_ = joined({{0xb9, 0, 1},
                      text("DescribePCR"),
                      {0xa4},
                      text("later"),
                      unknown,
                      text("data"),
                      {0x5b, 0, 0, 0, 0, 0, 0, 0, 2, 0xaa, 0xbb},
                      text("even later"),
                      unknown,
                      text("lock"),
                      {0xf5}});
    EXPECT_EQ(pcr(), ERROR_CODE_SUCCESS);
    EXPECT_TRUE(locked_);
    EXPECT_EQ(size_, 2U);
    EXPECT_EQ(value_[1], 0xbb);
}

TEST_F(Answers, CutShortOrMisshapenAreNone) {
    const Bytes whole = joined({{0xa1},
                                text("DescribePCR"),
                                {0xa2},
                                text("data"),
                                bytes_item(Bytes(48)),
                                text("lock"),
                                {0xf5}});
    for (std::size_t size = 0; size < whole.size(); ++size) {
        answer_.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_EQ(pcr(), ERROR_CODE_INTERNAL_ERROR) << size;
    }
    answer_ = whole;
    EXPECT_EQ(pcr(), ERROR_CODE_SUCCESS);
    answer_.push_back(0);
    EXPECT_EQ(pcr(), ERROR_CODE_INTERNAL_ERROR);
    const Bytes name = text("DescribePCR");
    const Bytes data = joined({text("data"), bytes_item(Bytes(48))});
    const Bytes lock = joined({text("lock"), {0xf5}});
    for (const Bytes& fields :
         {joined({{0xa1}, data}),                          // no lock
          joined({{0xa3}, data, lock, lock}),              // a key twice
          joined({{0xa2}, data, text("lock"), {0x01}}),    // no boolean
          joined({{0xa2}, lock, text("data"), text("")}),  // no bytes
          joined({{0xa2}, lock, text("data"), {0x5f, 0xff}}),
          joined({{0xa2}, lock, text("data"), {0x5f}, Bytes(31)}),  // indefinite
          joined({{0xa2}, lock, text("data"), {0x5c}, Bytes(28)}),  // reserved
          joined({{0xa2}, lock, text("data"), {0x5b}, Bytes(8, 0xff)}),
          joined({{0xbb}, Bytes(8, 0xff), data, lock}),  // a count that lies
          joined({{0xa3}, data, lock, {0x01, 0x02}}),    // a key that is no text
          joined({{0xa3}, data, lock, text("deep"), Bytes(9, 0x81), {0}}),
          joined({{0xa3}, data, lock, text("long"), {0x9b}, Bytes(8, 0xff)}), Bytes{0x80}}) {
        answer_ = joined({{0xa1}, name, fields});
        EXPECT_EQ(pcr(), ERROR_CODE_INTERNAL_ERROR) << to_hex(answer_);
    }
    for (const char* hex : {"", "ff", "a0", "a2", "80", "f6", "00", "a16b", "1c", "7b"}) {
        answer_ = from_hex(hex).value();
        EXPECT_NE(pcr(), ERROR_CODE_SUCCESS) << hex;
        EXPECT_NE(nsm_lock_pcr(driver_.fd(), 0), ERROR_CODE_SUCCESS) << hex;
        EXPECT_NE(description(), ERROR_CODE_SUCCESS) << hex;
    }
}

// A description whose fields are all there.
Bytes described(std::string_view module_id, const Bytes& locked, std::string_view digest,
                const Bytes& max_pcrs = {0x18, 0x20}) {
    return joined({{0xa1},
                   text("DescribeNSM"),
                   {0xa7},
                   joined({text("digest"), text(digest)}),
                   joined({text("max_pcrs"), max_pcrs}),
                   joined({text("module_id"), text(module_id)}),
                   joined({text("locked_pcrs"), locked}),
                   joined({text("version_major"), {1}}),
                   joined({text("version_minor"), {0x19, 1, 0}}),
                   joined({text("version_patch"), {3}})});
}

TEST_F(Answers, DescriptionsAreCutToWhatTheStructureHolds) {
    answer_ = described(std::string(300, 'x'), {0x83, 2, 0, 2}, "SHA512");
    ASSERT_EQ(description(), ERROR_CODE_SUCCESS);
    EXPECT_EQ(description_.module_id_len, 99U);
    EXPECT_EQ(description_.module_id[98], 'x');
    EXPECT_EQ(description_.module_id[99], 0);
    EXPECT_EQ(description_.locked_pcrs_len, 2U);
    EXPECT_EQ(description_.locked_pcrs[0], 0);
    EXPECT_EQ(description_.locked_pcrs[1], 2);
    EXPECT_EQ(description_.version_minor, 256);
    EXPECT_EQ(description_.digest, DIGEST_SHA512);

    Bytes locked{0x98, 64};
    for (std::uint8_t i = 64; i > 0; --i) {
        locked.insert(locked.end(), {0x18, static_cast<std::uint8_t>(i + 23)});
    }
    answer_ = described("m", locked, "SHA256");
    ASSERT_EQ(description(), ERROR_CODE_SUCCESS);
    EXPECT_EQ(description_.locked_pcrs_len, 64U);
    EXPECT_EQ(description_.locked_pcrs[63], 87);
    locked[1] = 65;
    locked.push_back(0);
    answer_ = described("m", locked, "SHA384");
    EXPECT_EQ(description(), ERROR_CODE_INTERNAL_ERROR);
    EXPECT_EQ(description_.digest, DIGEST_SHA256);  // left alone
}

TEST_F(Answers, DescriptionsOfTheWrongKindAreNone) {
    for (const Bytes& wrong :
         {described("m", {0x80}, "SHA1"), described("m", {0x81, 0xf6}, "SHA384"),
          described("m", {0x81, 0x1a, 0, 1, 0, 0}, "SHA384"),
          described("m", {0x80}, "SHA384", {0x1a, 0, 1, 0, 0}),
          described("m", {0x80}, "SHA384", {0x20}), described("m", {0x9b, 0xff}, "SHA384")}) {
        answer_ = wrong;
        EXPECT_EQ(description(), ERROR_CODE_INTERNAL_ERROR) << to_hex(wrong);
    }
}

}  // namespace
}  // namespace casemate::libnsm
