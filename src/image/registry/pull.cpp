#include "image/registry/pull.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "image/registry/credentials.hpp"
#include "image/registry/registry.hpp"

namespace casemate::image {

namespace {

constexpr std::size_t kAtOnce = 3;

Result<Content> spool_text(Spool& spool, ByteView text) {
    const std::uint64_t start = spool.position();
    while (!text.empty()) {
        CASEMATE_TRY(const MutableBytes room, spool.room());
        const std::size_t size = std::min(room.size(), text.size());
        std::copy_n(text.begin(), size, room.begin());
        spool.filled(size);
        text = text.subspan(size);
    }
    CASEMATE_CHECK(spool.flush());
    return spool.content_from(start);
}

// reserve makes a hole in the spool, to be written to by whoever has the content.
Result<Content> reserve(Spool& spool, std::uint64_t size) {
    const std::uint64_t start = spool.position();
    CASEMATE_CHECK(spool.append_zeros(size));
    return spool.content_from(start);
}

// Part: a blob and the place it goes to.
struct Part {
    Descriptor descriptor;
    Content place;
};

// Fetching: several threads that take one part after the other, until all are there or one failed.
class Fetching {
public:
    Fetching(Hosts& hosts, Registry& registry, const std::vector<Part>& parts,
             const Progress& progress, std::string step)
        : hosts_(&hosts),
          registry_(&registry),
          parts_(&parts),
          progress_(&progress),
          step_(std::move(step)) {
        for (const Part& part : parts) {
            total_ += part.descriptor.size;
        }
    }

    Result<> run() {
        std::vector<std::thread> threads;
        threads.reserve(kAtOnce);
        for (std::size_t i = 1; i < std::min(kAtOnce, parts_->size()); ++i) {
            try {
                threads.emplace_back([this] { work(); });
            } catch (const std::system_error&) {
                // No more threads for this user: those there are do it all.
                break;
            }
        }
        work();
        for (std::thread& thread : threads) {
            thread.join();
        }
        return failure_ ? Result<>(std::move(*failure_)) : Result<>();
    }

private:
    void work() {
        Caller caller(*hosts_);
        for (std::size_t i = next_++; i < parts_->size() && !failed_; i = next_++) {
            const Part& part = (*parts_)[i];
            auto fetched = registry_->blob(caller, part.descriptor, part.place,
                                           [this](std::int64_t bytes) { return advance(bytes); });
            if (!fetched) {
                fail(std::move(fetched).error());
            }
        }
    }

    Result<> advance(std::int64_t bytes) {
        const std::lock_guard lock(mutex_);
        if (failure_) {
            return *failure_;
        }
        done_ += static_cast<std::uint64_t>(bytes);
        if (*progress_) {
            (*progress_)(step_, done_, total_);
        }
        return {};
    }

    // The first failure is the one to tell: others only follow from it.
    void fail(Error error) {
        const std::lock_guard lock(mutex_);
        if (!failure_) {
            failure_ = std::move(error);
        }
        failed_ = true;
    }

    Hosts* hosts_;
    Registry* registry_;
    const std::vector<Part>* parts_;
    const Progress* progress_;
    std::string step_;
    std::uint64_t total_ = 0;
    std::atomic<std::size_t> next_ = 0;
    std::atomic<bool> failed_ = false;
    std::mutex mutex_;
    std::optional<Error> failure_;
    std::uint64_t done_ = 0;
};

// RegistryBlobs: the blobs of a repository, as they are asked for.
class RegistryBlobs final : public BlobSource {
public:
    RegistryBlobs(Hosts& hosts, Registry& registry, Spool& spool, const ImageOptions& options,
                  const Document& top)
        : hosts_(&hosts),
          registry_(&registry),
          spool_(&spool),
          options_(&options),
          top_(&top),
          caller_(hosts) {}

    Result<Content> find(const Descriptor& descriptor) override {
        if (descriptor.digest == top_->digest && descriptor.size == top_->text.size()) {
            return spool_text(*spool_, top_->text);
        }
        const MediaType type = media_type_of(descriptor.media_type);
        if (type == MediaType::index || type == MediaType::manifest) {
            CASEMATE_TRY(const Document document, registry_->manifest_of(caller_, descriptor));
            return spool_text(*spool_, document.text);
        }
        if (descriptor.size > kMaxDocument) {
            return Error(ImageErrc::too_large,
                         "expected a configuration of at most 4 MiB, found one of " +
                             std::to_string(descriptor.size) + " bytes");
        }
        CASEMATE_TRY(Content place, reserve(*spool_, descriptor.size));
        CASEMATE_CHECK(
            registry_->blob(caller_, descriptor, place, [](std::int64_t) { return Result<>(); }));
        return place;
    }

    Result<std::vector<Content>> find_layers(const std::vector<Descriptor>& layers) override {
        CASEMATE_CHECK(check_costs(layers));
        std::vector<Part> parts;
        std::map<crypto::Digest256, Content> places;
        for (const Descriptor& layer : layers) {
            // A layer may be there twice.
            if (const auto known = places.find(layer.digest); known != places.end()) {
                if (known->second.size != layer.size) {
                    return Error(
                        ImageErrc::malformed,
                        "expected one size of layer " + digest_text(layer.digest) + ", found two");
                }
                continue;
            }
            CASEMATE_TRY(Content place, reserve(*spool_, layer.size));
            places.emplace(layer.digest, place);
            parts.push_back({layer, std::move(place)});
        }
        CASEMATE_CHECK(Fetching(*hosts_, *registry_, parts, options_->progress, "download").run());
        std::vector<Content> all;
        all.reserve(layers.size());
        for (const Descriptor& layer : layers) {
            all.push_back(places.at(layer.digest));
        }
        return all;
    }

private:
    [[nodiscard]] Result<> check_costs(const std::vector<Descriptor>& layers) const {
        if (layers.size() > kMaxLayers) {
            return Error(ImageErrc::too_large, "expected at most " + std::to_string(kMaxLayers) +
                                                   " layers, found " +
                                                   std::to_string(layers.size()));
        }
        const std::uint64_t limit = options_->limits.total_bytes;
        std::uint64_t sum = 0;
        for (const Descriptor& layer : layers) {
            if (layer.size > limit - sum) {
                return Error(
                    ImageErrc::too_large,
                    "expected layers of at most " + std::to_string(limit) + " bytes, found more");
            }
            sum += layer.size;
        }
        return {};
    }

    Hosts* hosts_;
    Registry* registry_;
    Spool* spool_;
    const ImageOptions* options_;
    const Document* top_;
    Caller caller_;
};

}  // namespace

Result<PackedImage> pull_image(const RegistryReference& reference, Spool& spool,
                               const ImageOptions& options) {
    CASEMATE_TRY(std::optional<Credentials> credentials, credentials_for(reference.name()));
    Hosts hosts(options.insecure_registries);
    CASEMATE_TRY(const auto registry, Registry::open(hosts, reference, std::move(credentials)));
    Caller caller(hosts);
    CASEMATE_TRY(const Document top, registry->manifest(caller));
    Descriptor descriptor;
    descriptor.media_type = top.media_type;
    descriptor.digest = top.digest;
    descriptor.size = top.text.size();
    RegistryBlobs blobs(hosts, *registry, spool, options, top);
    CASEMATE_TRY(PackedImage image, find_image(blobs, {descriptor}, options.architecture));
    for (PackedLayer& layer : image.layers) {
        // Checked on its way already.
        layer.packed.reset();
    }
    return image;
}

}  // namespace casemate::image
