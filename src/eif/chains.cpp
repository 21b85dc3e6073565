#include "eif/chains.hpp"

#include <utility>

namespace casemate::eif {

namespace {

// A lane's queue, and as much again in the hands of its thread, keep so many buffers alive.
constexpr std::size_t kQueueDepth = 16;
// Below this many bytes waking another thread takes longer than hashing.
constexpr std::size_t kWorthAThread = 32768;

std::size_t depth(Measurer::Threads threads) {
    return threads == Measurer::Threads::two ? kQueueDepth : 0;
}

crypto::Digest384 pcr(crypto::Sha384& content) {
    return crypto::extend_zero(content.finish());
}

}  // namespace

void ImageChain::begin(SectionType type) {
    const bool ramdisk = type == SectionType::ramdisk;
    if (ramdisk) {
        ++ramdisks_;
    }
    if (ramdisks_ == 2 && !pcr1_) {
        pcr1_ = pcr0_;
    }
    in_pcr0_ = ramdisk || type == SectionType::kernel || type == SectionType::cmdline;
    in_pcr1_ = in_pcr0_ && (!ramdisk || ramdisks_ == 1);
}

void ImageChain::update(ByteView bytes) {
    if (in_pcr0_) {
        pcr0_.update(bytes);
    }
    if (in_pcr1_ && pcr1_) {
        pcr1_->update(bytes);
    }
}

void ImageChain::finish(Measurements& out) {
    if (!pcr1_) {
        pcr1_ = pcr0_;
    }
    out.pcr0 = pcr(pcr0_);
    out.pcr1 = pcr(*pcr1_);
}

void ApplicationChain::begin(SectionType type) {
    if (type == SectionType::ramdisk) {
        ++ramdisks_;
    }
    in_pcr2_ = type == SectionType::ramdisk && ramdisks_ > 1;
}

void ApplicationChain::update(ByteView bytes) {
    if (in_pcr2_) {
        pcr2_.update(bytes);
    }
}

void ApplicationChain::finish(Measurements& out) {
    out.pcr2 = pcr(pcr2_);
}

Chains::Chains(Measurer::Threads threads)
    : image_lane_(depth(threads)), application_lane_(depth(threads)) {
}

void Chains::begin(SectionType type) {
    image_lane_.post([this, type] { image_.begin(type); });
    application_lane_.post([this, type] { application_.begin(type); });
}

void Chains::feed(std::shared_ptr<const Bytes> bytes) {
    image_lane_.post([this, bytes] { image_.update(*bytes); });
    application_lane_.post([this, bytes = std::move(bytes)] { application_.update(*bytes); });
}

void Chains::feed_now(ByteView bytes) {
    if (bytes.size() >= kWorthAThread) {
        application_lane_.post([this, bytes] { application_.update(bytes); });
        image_lane_.drain();
        image_.update(bytes);
        application_lane_.drain();
        return;
    }
    image_lane_.drain();
    application_lane_.drain();
    image_.update(bytes);
    application_.update(bytes);
}

void Chains::finish(Measurements& out) {
    image_lane_.drain();
    application_lane_.drain();
    image_.finish(out);
    application_.finish(out);
}

}  // namespace casemate::eif
