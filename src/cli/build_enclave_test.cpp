#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/file.hpp"
#include "base/temporary_directory.hpp"
#include "cli/interruption.hpp"
#include "cli/json_output.hpp"
#include "cli/run_for_test.hpp"
#include "crypto/digest.hpp"
#include "eif/reader.hpp"
#include "eif/signer_for_test.hpp"

namespace casemate::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

// A file that names itself a bzImage where the boot protocol says so.
std::string kernel_file() {
    return std::string(0x202, 'k') + "HdrS" + std::string(4096, 'k');
}

void write(const std::string& path, std::string_view text) {
    fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
}

class BuildEnclaveTest : public testing::Test {
protected:
    void SetUp() override {
        auto directory = TemporaryDirectory::create();
        ASSERT_TRUE(directory.ok());
        directory_.emplace(std::move(*directory));
        const std::string base = directory_->path();
        blobs_ = base + "/blobs";
        root_ = base + "/root";
        output_ = base + "/out/image.eif";
        write(blobs_ + "/bzImage", kernel_file());
        write(blobs_ + "/bzImage.config",
              "#\n#\n# Linux/x86_64 4.14.256-209.484.amzn2.x86_64 Kernel Configuration\n");
        write(blobs_ + "/cmdline", " reboot=k panic=30 \n");
        write(blobs_ + "/init", "init");
        write(blobs_ + "/nsm.ko", "nsm");
        write(root_ + "/bin/app", "#!/bin/sh\n");
        fs::create_directory(base + "/out");
        ::setenv("NITRO_CLI_BLOBS", blobs_.c_str(), 1);
        ::setenv("SOURCE_DATE_EPOCH", "1720545398", 1);
    }

    void TearDown() override {
        ::unsetenv("NITRO_CLI_BLOBS");
        ::unsetenv("SOURCE_DATE_EPOCH");
        ::unsetenv("CASEMATE_KERNEL_DIR");
        ::unsetenv("CASEMATE_KERNEL_CACHE");
        ::unsetenv("XDG_CACHE_HOME");
    }

    Ran build(std::vector<std::string> more = {}, const std::string& uri = "") {
        std::vector<std::string> arguments = {"build-enclave", "--docker-uri",
                                              uri.empty() ? "dir:" + root_ : uri, "--output-file",
                                              output_};
        arguments.insert(arguments.end(), more.begin(), more.end());
        arguments.insert(arguments.end(), {"--", "/bin/app"});
        return run_for_test(arguments);
    }

    // left is what is in the folder of the output file.
    std::vector<std::string> left() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(fs::path(output_).parent_path())) {
            names.push_back(entry.path().filename().string());
        }
        return names;
    }

    void expect_refused(const Ran& ran, int status, const std::string& sentence) {
        EXPECT_EQ(ran.status, status) << ran.err;
        EXPECT_EQ(ran.out, "");
        EXPECT_THAT(ran.err, HasSubstr("[ E" + std::to_string(status) + " ]"));
        EXPECT_THAT(ran.err, HasSubstr(sentence));
        EXPECT_THAT(left(), IsEmpty());
    }

    std::string section(const eif::Section& section) const {
        const auto fd = open_file(output_, 0);
        const auto bytes = eif::read_section(fd->get(), section, 1U << 20U);
        return bytes.ok() ? std::string(as_text(*bytes)) : "unreadable";
    }

    std::optional<TemporaryDirectory> directory_;
    std::string blobs_;
    std::string root_;
    std::string output_;
};

TEST_F(BuildEnclaveTest, MakesAnImageOfAwsShape) {
    const Ran ran = build({"--name", "hello", "--version", "7"});
    ASSERT_EQ(ran.status, 0) << ran.err;
    EXPECT_EQ(ran.err,
              "Start building the Enclave Image...\nEnclave Image successfully created.\n");
    EXPECT_THAT(left(), testing::ElementsAre("image.eif"));
    const auto fd = open_file(output_, 0);
    ASSERT_TRUE(fd.ok());
    const auto index = eif::read_index(fd->get());
    ASSERT_TRUE(index.ok()) << index.error().message();
    ASSERT_EQ(index->sections.size(), 5U);
    using enum eif::SectionType;
    const eif::SectionType order[] = {kernel, cmdline, metadata, ramdisk, ramdisk};
    for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_EQ(index->sections[i].type, order[i]);
    }
    EXPECT_EQ(section(index->sections[0]), kernel_file());
    EXPECT_EQ(section(index->sections[1]), "reboot=k panic=30");
    EXPECT_EQ(
        section(index->sections[2]),
        R"({"ImageName":"hello","ImageVersion":"7","BuildMetadata":{"BuildTime":)"
        R"("2024-07-09T17:16:38+00:00","BuildTool":"casemate","BuildToolVersion":")" CASEMATE_VERSION
        R"(","OperatingSystem":"Linux","KernelVersion":"4.14.256"},"DockerInfo":null,)"
        R"("CustomMetadata":null})");
    EXPECT_THAT(section(index->sections[3]), HasSubstr("nsm.ko"));
    EXPECT_THAT(section(index->sections[4]), HasSubstr("rootfs/bin/app"));
}

TEST_F(BuildEnclaveTest, PrintsWhatDescribeEifPrints) {
    const Ran built = build();
    ASSERT_EQ(built.status, 0) << built.err;
    const Ran described = run_for_test({"describe-eif", "--eif-path", output_});
    ASSERT_EQ(described.status, 0) << described.err;
    const auto measurements = Json::parse(built.out)->find("Measurements")->compact();
    EXPECT_THAT(measurements, StartsWith(R"({"HashAlgorithm":"Sha384 { ... }","PCR0":")"));
    EXPECT_EQ(measurements, Json::parse(described.out)->find("Measurements")->compact());
    EXPECT_THAT(described.out, HasSubstr("\"CheckCRC\": true"));
    EXPECT_THAT(described.out, HasSubstr("\"ImageName\": \"root\""));
}

TEST_F(BuildEnclaveTest, TheSameImageGivesTheSameFile) {
    ASSERT_EQ(build().status, 0);
    const auto first = read_file(output_, 1U << 20U);
    fs::last_write_time(root_ + "/bin/app", fs::file_time_type::clock::now());
    ASSERT_EQ(build().status, 0);
    const auto second = read_file(output_, 1U << 20U);
    ASSERT_TRUE(first.ok() && second.ok());
    EXPECT_EQ(*first, *second);
}

TEST_F(BuildEnclaveTest, KernelAndCommandLineOfOnesOwn) {
    write(directory_->path() + "/my", kernel_file() + "mine");
    const Ran ran =
        build({"--kernel", directory_->path() + "/my", "--cmdline", "console=ttyS0 quiet"});
    ASSERT_EQ(ran.status, 0) << ran.err;
    const auto fd = open_file(output_, 0);
    const auto index = eif::read_index(fd->get());
    ASSERT_TRUE(index.ok());
    EXPECT_EQ(section(index->sections[0]), kernel_file() + "mine");
    EXPECT_EQ(section(index->sections[1]), "console=ttyS0 quiet");
    EXPECT_THAT(section(index->sections[2]), HasSubstr(R"("KernelVersion":"unknown")"));
}

TEST_F(BuildEnclaveTest, CustomMetadataIsMerged) {
    const std::string path = directory_->path() + "/custom.json";
    write(path, R"({"Team": "a"})");
    ASSERT_EQ(build({"--metadata", path}).status, 0);
    EXPECT_THAT(run_for_test({"describe-eif", "--eif-path", output_}).out,
                HasSubstr("\"Team\": \"a\""));
}

TEST_F(BuildEnclaveTest, RefusesCustomMetadataThatIsNone) {
    const std::string path = directory_->path() + "/custom.json";
    write(path, "{");
    expect_refused(build({"--metadata", path}), 17, path);
    write(path, '"' + std::string(4096, 'x') + '"');
    expect_refused(build({"--metadata", path}), 19, "larger than 4096 bytes");
    expect_refused(build({"--metadata", "/does/not/exist"}), 19, "/does/not/exist");
}

TEST_F(BuildEnclaveTest, MissingKernel) {
    fs::remove(blobs_ + "/bzImage");
    expect_refused(build(), 48, "Expected bzImage in " + blobs_);
    ::unsetenv("NITRO_CLI_BLOBS");
    ::setenv("CASEMATE_KERNEL_DIR", "/does/not/exist", 1);
    expect_refused(build(), 48,
                   "at /does/not/exist/vmlinux, found none. Build it once with kernel/build");
    expect_refused(build({"--kernel", "/does/not/exist"}), 48, "(--kernel), found no file");
}

TEST_F(BuildEnclaveTest, TheKernelIsWhereKernelBuildLeavesIt) {
    ::unsetenv("NITRO_CLI_BLOBS");
    ::setenv("XDG_CACHE_HOME", "/does/not/exist", 1);
    expect_refused(build(), 48, "at /does/not/exist/casemate/kernel/current/vmlinux, found none");
    ::setenv("CASEMATE_KERNEL_CACHE", "/nor/does/this", 1);
    expect_refused(build(), 48, "at /nor/does/this/current/vmlinux, found none");
}

TEST_F(BuildEnclaveTest, AKernelThatIsNone) {
    write(blobs_ + "/bzImage", "#!/bin/sh\n");
    expect_refused(build(), 48, "found something else");
}

TEST_F(BuildEnclaveTest, MissingInitOrCommandLine) {
    fs::remove(blobs_ + "/init");
    expect_refused(build(), 48, "Expected the enclave's init at " + blobs_ + "/init");
    fs::remove(blobs_ + "/cmdline");
    expect_refused(build(), 19, blobs_ + "/cmdline");
}

TEST_F(BuildEnclaveTest, AnImageThatDoesNotExist) {
    for (const char* kind : {"dir:", "oci:", "docker-archive:"}) {
        expect_refused(build({}, std::string(kind) + "/does/not/exist"), 50, "/does/not/exist");
    }
    expect_refused(build({}, "no name"), 50, "docker-archive:FILE");
}

TEST_F(BuildEnclaveTest, ACorruptLayer) {
    const std::string layout = directory_->path() + "/layout";
    const auto put_blob = [&](std::string_view content, std::string_view announced) {
        const std::string digest = to_hex(crypto::sha256(as_bytes(announced)));
        write(layout + "/blobs/sha256/" + digest, content);
        return R"("digest":"sha256:)" + digest + R"(","size":)" + std::to_string(content.size());
    };
    const auto blob = [&](std::string_view content) { return put_blob(content, content); };
    const std::string good(10240, '\0');
    std::string bad = good;
    bad[5000] = 'x';
    const std::string config =
        blob(R"({"architecture":"amd64","os":"linux","config":{"Cmd":["/bin/app"]},"rootfs":)"
             R"({"type":"layers","diff_ids":["sha256:)" +
             to_hex(crypto::sha256(as_bytes(good))) + R"("]}})");
    const std::string manifest =
        blob(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
             R"("config":{"mediaType":"application/vnd.oci.image.config.v1+json",)" +
             config + R"(},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar",)" +
             put_blob(bad, good) + "}]}");
    write(layout + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    write(layout + "/index.json", R"({"schemaVersion":2,"manifests":[{"mediaType":)"
                                  R"("application/vnd.oci.image.manifest.v1+json",)" +
                                      manifest + "}]}");
    expect_refused(build({}, "oci:" + layout), 50, to_hex(crypto::sha256(as_bytes(good))));
}

TEST_F(BuildEnclaveTest, AFullDisk) {
    // A limit on the size of files fails a write as a full disk does.
    write(root_ + "/large", std::string(4U << 20U, 'x'));
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    rlimit small = before;
    small.rlim_cur = 1U << 20U;
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const Ran ran = build();
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, old_handler);
    expect_refused(ran, 19, "File: '" + output_ + "', failing operation: 'Write'.");
}

TEST_F(BuildEnclaveTest, AFailureKeepsTheFileThatWasThere) {
    write(output_, "precious");
    EXPECT_EQ(build({}, "dir:/does/not/exist").status, 50);
    EXPECT_EQ(as_text(*read_file(output_, 100)), "precious");
    EXPECT_THAT(left(), testing::ElementsAre("image.eif"));
}

TEST_F(BuildEnclaveTest, AnOutputFileThatCannotBeWritten) {
    const std::string before = output_;
    output_ = directory_->path() + "/none/image.eif";
    const Ran ran = build();
    EXPECT_EQ(ran.status, 19);
    EXPECT_THAT(ran.err, HasSubstr("File: '" + output_ + "'"));
    output_ = before;
    fs::create_directory(output_);
    EXPECT_EQ(build().status, 19);
    EXPECT_THAT(left(), testing::ElementsAre("image.eif"));
}

// There is nothing to build of a folder where the image is there already.
TEST_F(BuildEnclaveTest, BuildsNamesOnly) {
    expect_refused(build({"--docker-dir", "."}), 49, "Expected a NAME for the image");
}

TEST_F(BuildEnclaveTest, SignsTheImage) {
    ASSERT_EQ(build().status, 0);
    const auto unsigned_image =
        Json::parse(run_for_test({"describe-eif", "--eif-path", output_}).out);
    const std::string base = directory_->path();
    const auto signer = eif::TestSigner::make(crypto::Curve::p521);
    write(base + "/certificate.pem", signer.certificate_pem);
    write(base + "/key.pem", as_text(signer.key->to_pem()->view()));
    const std::vector<std::string> options = {"--signing-certificate", base + "/certificate.pem",
                                              "--private-key", base + "/key.pem"};
    const Ran built = build(options);
    ASSERT_EQ(built.status, 0) << built.err;
    EXPECT_EQ(built.err,
              "Start building the Enclave Image...\nEnclave Image successfully created.\n");
    const Ran described = run_for_test({"describe-eif", "--eif-path", output_});
    const auto json = Json::parse(described.out);
    ASSERT_TRUE(json.ok()) << described.err;
    EXPECT_EQ(json->find("SignatureCheck")->compact(), "true");
    EXPECT_EQ(json->find("CheckCRC")->compact(), "true");
    const auto measurements = Json::parse(built.out)->find("Measurements")->compact();
    EXPECT_EQ(measurements, json->find("Measurements")->compact());
    const std::string before = unsigned_image->find("Measurements")->compact();
    EXPECT_EQ(measurements, before.substr(0, before.size() - 1) + R"(,"PCR8":")" +
                                to_hex(eif::certificate_register(signer.certificate())) + "\"}");
    const auto fd = open_file(output_, 0);
    EXPECT_EQ(eif::read_index(fd->get())->sections.back().type, eif::SectionType::signature);
}

TEST_F(BuildEnclaveTest, SignersThatDoNotDo) {
    const std::string base = directory_->path();
    const auto signer = eif::TestSigner::make();
    const auto other = eif::TestSigner::make();
    write(base + "/certificate.pem", signer.certificate_pem);
    write(base + "/other.pem", as_text(other.key->to_pem()->view()));
    const auto with = [&](const std::string& certificate, const std::string& key) {
        return build({"--signing-certificate", certificate, "--private-key", key});
    };
    expect_refused(with(base + "/none", base + "/other.pem"), 48, "/none");
    expect_refused(with(base + "/certificate.pem", base + "/none"), 48, "/none");
    expect_refused(with(base + "/certificate.pem", base + "/other.pem"), 48,
                   "expected the private key of the signing certificate");
    expect_refused(with(base + "/other.pem", base + "/other.pem"), 48, "found a private key");
}

// The output file takes the place of a file, through a link; never that of a device or a folder.
TEST_F(BuildEnclaveTest, DevicesAreNotReplacedLinksStayAndTheUmaskCounts) {
    const std::string target = directory_->path() + "/target.eif";
    write(target, "old");
    fs::create_symlink(target, output_);
    const Ran linked = build();
    ASSERT_EQ(linked.status, 0) << linked.err;
    EXPECT_TRUE(fs::is_symlink(output_));
    const mode_t mask = ::umask(0);
    ::umask(mask);
    EXPECT_EQ(fs::status(output_).permissions(), fs::perms(0666U & ~mask));
    EXPECT_GT(fs::file_size(target), 4096U);
    ::umask(077);
    const Ran hidden = build();
    ::umask(mask);
    ASSERT_EQ(hidden.status, 0) << hidden.err;
    EXPECT_EQ(fs::status(output_).permissions(), fs::perms(0600));
    fs::remove(output_);
    ASSERT_EQ(::mkfifo(output_.c_str(), 0600), 0);
    const Ran ran = build();
    EXPECT_EQ(ran.status, 19);
    EXPECT_THAT(ran.err, HasSubstr("expected a file at " + output_ + ", or nothing; found a pipe"));
    EXPECT_TRUE(fs::is_fifo(output_));
    EXPECT_THAT(left(), testing::ElementsAre("image.eif"));
}

TEST(InterruptionTest, RemembersTheSignal) {
    Interruption interruption;
    EXPECT_EQ(interruption.signal(), 0);
    ::raise(SIGTERM);
    EXPECT_EQ(interruption.signal(), SIGTERM);
}

TEST(InterruptionTest, ObeysAfterwards) {
    EXPECT_EXIT(
        {
            Interruption interruption;
            ::raise(SIGTERM);
            interruption.obey();
        },
        testing::KilledBySignal(SIGTERM), "");
}

}  // namespace
}  // namespace casemate::cli
