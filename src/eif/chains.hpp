// Chains: the digests behind PCR0, PCR1 and PCR2, computed side by side.
#pragma once

#include <memory>
#include <optional>

#include "base/bytes.hpp"
#include "crypto/digest.hpp"
#include "eif/format.hpp"
#include "eif/lane.hpp"
#include "eif/measure.hpp"

namespace casemate::eif {

// ImageChain: PCR0, over kernel, command line and every ramdisk; and PCR1, over the same but only
// the first ramdisk. As long as both have seen the same, one hash serves both.
class ImageChain {
public:
    void begin(SectionType type);
    void update(ByteView bytes);
    // finish sets pcr0 and pcr1.
    void finish(Measurements& out);

private:
    crypto::Sha384 pcr0_;
    std::optional<crypto::Sha384> pcr1_;
    unsigned ramdisks_ = 0;
    bool in_pcr0_ = false;
    bool in_pcr1_ = false;
};

// ApplicationChain: PCR2, over every ramdisk but the first.
class ApplicationChain {
public:
    void begin(SectionType type);
    void update(ByteView bytes);
    // finish sets pcr2.
    void finish(Measurements& out);

private:
    crypto::Sha384 pcr2_;
    unsigned ramdisks_ = 0;
    bool in_pcr2_ = false;
};

class Chains {
public:
    explicit Chains(Measurer::Threads threads);

    // begin starts a section of any type; those that are not measured are passed over.
    void begin(SectionType type);
    // feed hashes the bytes at some later time.
    void feed(std::shared_ptr<const Bytes> bytes);
    // feed_now hashes the bytes before it returns.
    void feed_now(ByteView bytes);
    // finish sets pcr0, pcr1 and pcr2, when everything has been hashed.
    void finish(Measurements& out);

private:
    ImageChain image_;
    ApplicationChain application_;
    // The lanes come last: they end before what they work on.
    Lane image_lane_;
    Lane application_lane_;
};

}  // namespace casemate::eif
