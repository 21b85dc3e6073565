#include "image/registry/registry.hpp"

#include "image/registry/answers.hpp"
#include "image/registry/patience.hpp"
#include "image/tree.hpp"

namespace casemate::image {

namespace {

constexpr const char* kAccept =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";
// How often one request is made with better authorization: a first answer, and a token that has
// expired or was not for this.
constexpr int kMaxAnswers = 2;

Result<> ignore_body(ByteView /*bytes*/) {
    return {};
}

// media_type_in gives a header's media type without parameters.
std::string media_type_in(const http::Response& response) {
    const std::string* value = http::find_header(response.headers, "Content-Type");
    if (value == nullptr) {
        return "";
    }
    std::string type = value->substr(0, value->find(';'));
    while (type.ends_with(' ')) {
        type.pop_back();
    }
    return type;
}

bool is_schema1(std::string_view type) {
    return type == "1" || type == "application/vnd.docker.distribution.manifest.v1+json" ||
           type == "application/vnd.docker.distribution.manifest.v1+prettyjws";
}

// agreed_type gives what a document is. Who could make it be read as something else than its
// digest was made of must not (CVE-2021-41190).
Result<std::string> agreed_type(const std::string& header, const std::string& own) {
    if (is_schema1(header) || is_schema1(own)) {
        return Error(ImageErrc::unsupported,
                     "expected an OCI manifest or Docker's version 2, schema 2; found schema 1, "
                     "which is not supported any more: push the image again with a newer tool");
    }
    const auto known = [](const std::string& type) {
        const MediaType meaning = media_type_of(type);
        return meaning == MediaType::index || meaning == MediaType::manifest;
    };
    if (known(header) && !own.empty() && own != header) {
        return Error(ImageErrc::malformed, "expected the media type '" + printable(header) +
                                               "' in the manifest, found '" + printable(own) + "'");
    }
    const std::string& type = known(header) || own.empty() ? header : own;
    if (!known(type)) {
        return Error(ImageErrc::unsupported,
                     "expected the media type of an image's manifest or index, found '" +
                         printable(type) + "'");
    }
    return type;
}

// base_of gives the URL of a registry's API. Docker's own has another name there.
Result<http::Url> base_of(const std::string& registry, bool secure) {
    return http::Url::parse((secure ? "https://" : "http://") +
                            (registry == "docker.io" ? "registry-1.docker.io" : registry));
}

// speaks_plain asks, without telling anything, whether there is a registry that has no TLS.
bool speaks_plain(Hosts& hosts, const http::Url& base) {
    Call call;
    call.url = base;
    call.url.target = "/v2/";
    const auto response = Caller(hosts).call(call, ignore_body);
    return response && (response->status == 200 || response->status == 401);
}

Result<http::Url> find_base(Hosts& hosts, const std::string& registry) {
    CASEMATE_TRY(http::Url base, base_of(registry, true));
    if (!hosts.may_be_plain(base)) {
        return base;
    }
    auto tried = hosts.connect(base);
    if (tried) {
        return base;
    }
    CASEMATE_TRY(http::Url plain, base_of(registry, false));
    if (speaks_plain(hosts, plain)) {
        return plain;
    }
    return std::move(tried).error();
}

Result<> check_content_digest(const http::Response& response, const crypto::Digest256& found) {
    const std::string* text = http::find_header(response.headers, "Docker-Content-Digest");
    if (text == nullptr) {
        return {};
    }
    CASEMATE_TRY(const crypto::Digest256 announced, parse_digest(*text));
    if (announced != found) {
        return Error(ImageErrc::wrong_digest,
                     "expected a manifest with the digest " + printable(*text) +
                         ", which its Docker-Content-Digest says, found " + digest_text(found));
    }
    return {};
}

// in_registry says what was being done where the sentence can't know.
Error in_registry(Error error, const std::string& what) {
    return error.code_as<http::HttpErrc>() ? std::move(error).while_doing(what) : std::move(error);
}

}  // namespace

// Download: one blob on its way.
class Registry::Download {
public:
    Download(const Descriptor& descriptor, const Content& place, const Advance& advance)
        : descriptor_(descriptor), place_(place), advance_(advance) {}

    [[nodiscard]] http::Headers headers() const {
        return done_ == 0 ? http::Headers()
                          : http::Headers{{"Range", "bytes=" + std::to_string(done_) + "-"}};
    }

    // begin is called before each attempt.
    void begin() {
        start_ = done_;
        overflow_ = false;
    }

    Result<> take(ByteView bytes) {
        if (bytes.size() > descriptor_.size - done_) {
            overflow_ = true;
            return wrong_size("more");
        }
        CASEMATE_CHECK(write_all_at(place_.file->get(), place_.offset + done_, bytes));
        hasher_.update(bytes);
        done_ += bytes.size();
        return advance_(static_cast<std::int64_t>(bytes.size()));
    }

    // is_whole_again: the answer to a request for the rest began at the blob's beginning.
    [[nodiscard]] bool is_whole_again(const Result<http::Response>& response) const {
        if (start_ == 0) {
            return false;
        }
        if (!response) {
            return overflow_;
        }
        if (response->status == 200 || response->status == 416) {
            return true;
        }
        const std::string* range = http::find_header(response->headers, "Content-Range");
        return response->status == 206 &&
               (range == nullptr || !range->starts_with("bytes " + std::to_string(start_) + "-"));
    }

    Result<> restart() {
        const auto lost = static_cast<std::int64_t>(done_);
        hasher_ = crypto::Sha256();
        done_ = 0;
        return advance_(-lost);
    }

    // finish checks what came in.
    Result<> finish() {
        if (done_ != descriptor_.size) {
            return wrong_size(std::to_string(done_));
        }
        const crypto::Digest256 found = hasher_.finish();
        if (found != descriptor_.digest) {
            return Error(ImageErrc::wrong_digest, "expected a blob with the digest " +
                                                      digest_text(descriptor_.digest) + ", found " +
                                                      digest_text(found));
        }
        return {};
    }

private:
    [[nodiscard]] Error wrong_size(const std::string& found) const {
        return {ImageErrc::wrong_digest, "expected " + std::to_string(descriptor_.size) +
                                             " bytes in blob " + digest_text(descriptor_.digest) +
                                             ", found " + found};
    }

    const Descriptor& descriptor_;
    const Content& place_;
    const Advance& advance_;
    crypto::Sha256 hasher_;
    std::uint64_t done_ = 0;
    std::uint64_t start_ = 0;
    bool overflow_ = false;
};

Result<std::unique_ptr<Registry>> Registry::open(Hosts& hosts, const RegistryReference& reference,
                                                 std::optional<Credentials> credentials) {
    CASEMATE_TRY(http::Url base, find_base(hosts, reference.registry));
    return std::unique_ptr<Registry>(
        new Registry(hosts, std::move(base), reference, std::move(credentials)));
}

Result<http::Response> Registry::get(Caller& caller, const std::string& target,
                                     const http::Headers& headers, const http::BodySink& sink) {
    for (int answers = 0;; ++answers) {
        CASEMATE_TRY(const Authorization authorization, access_.authorization());
        Call call;
        call.url = base_;
        call.url.target = "/v2/" + reference_.repository + target;
        call.headers = headers;
        if (authorization.value != nullptr) {
            call.authorization = authorization.value->view();
        }
        CASEMATE_TRY(http::Response response, caller.follow(call, sink));
        if (response.status != 401) {
            return response;
        }
        // Whom the registry redirects to has no claim to its credentials.
        if (answers == kMaxAnswers || !call.url.same_origin(base_)) {
            return access_.refusal(response);
        }
        CASEMATE_CHECK(access_.answer(response, authorization));
    }
}

Error Registry::unexpected(const http::Response& response, const std::string& what) const {
    const std::string text = error_text(as_bytes(response.body));
    const std::string found =
        "status " + std::to_string(response.status) + (text.empty() ? "" : " (" + text + ")");
    if (response.status == 401 || response.status == 403) {
        return access_.refusal(response);
    }
    if (response.status == 404) {
        return {ImageErrc::no_such_image, "expected " + what + " in " + base_.origin() +
                                              ", found " + found + "; check the name and the tag"};
    }
    if (response.status == 429) {
        const std::string* wait = http::find_header(response.headers, "Retry-After");
        return {ImageErrc::registry,
                "expected " + what + " from " + base_.origin() + ", found " + found +
                    ": too many requests" +
                    (wait == nullptr ? "" : "; it asks to wait " + printable(*wait) + " s") +
                    ". Who has logged in may often ask more"};
    }
    return {ImageErrc::registry,
            "expected " + what + " from " + base_.origin() + ", found " + found};
}

Result<Document> Registry::fetch_manifest(Caller& caller, const std::string& selector,
                                          std::uint64_t limit, bool first) {
    Document document;
    const auto sink = [&](ByteView bytes) -> Result<> {
        if (bytes.size() > limit - document.text.size()) {
            return Error(ImageErrc::too_large, "expected a manifest of at most " +
                                                   std::to_string(limit) + " bytes, found more");
        }
        document.text.insert(document.text.end(), bytes.begin(), bytes.end());
        return {};
    };
    Patience patience(!first);
    while (true) {
        document.text.clear();
        auto response = get(caller, "/manifests/" + selector, {{"Accept", kAccept}}, sink);
        if (!response) {
            if (patience.after(response.error())) {
                continue;
            }
            return in_registry(std::move(response).error(),
                               "ask " + base_.origin() + " for " + reference_.text());
        }
        if (response->status == 200) {
            document.digest = crypto::sha256(document.text);
            CASEMATE_CHECK(check_content_digest(*response, document.digest));
            CASEMATE_TRY(document.media_type,
                         agreed_type(media_type_in(*response), declared_media_type(document.text)));
            return document;
        }
        if (!patience.after(*response)) {
            return unexpected(*response, "the image " + reference_.text());
        }
    }
}

Result<Document> Registry::manifest(Caller& caller) {
    CASEMATE_TRY(Document document,
                 fetch_manifest(caller, reference_.selector(), kMaxDocument, true));
    if (reference_.digest && *reference_.digest != document.digest) {
        return Error(ImageErrc::wrong_digest, "expected a manifest with the digest " +
                                                  digest_text(*reference_.digest) + ", found " +
                                                  digest_text(document.digest));
    }
    return document;
}

Result<Document> Registry::manifest_of(Caller& caller, const Descriptor& descriptor) {
    if (descriptor.size > kMaxDocument) {
        return Error(ImageErrc::too_large,
                     "expected a manifest of at most " + std::to_string(kMaxDocument) +
                         " bytes, found a descriptor of one of " + std::to_string(descriptor.size));
    }
    CASEMATE_TRY(Document document,
                 fetch_manifest(caller, digest_text(descriptor.digest), descriptor.size, false));
    if (document.digest != descriptor.digest) {
        return Error(ImageErrc::wrong_digest, "expected a manifest with the digest " +
                                                  digest_text(descriptor.digest) + ", found " +
                                                  digest_text(document.digest));
    }
    return document;
}

Result<> Registry::blob(Caller& caller, const Descriptor& descriptor, const Content& place,
                        const Advance& advance) {
    Download download(descriptor, place, advance);
    const std::string target = "/blobs/" + digest_text(descriptor.digest);
    Patience patience(true);
    while (true) {
        download.begin();
        auto response = get(caller, target, download.headers(),
                            [&](ByteView bytes) { return download.take(bytes); });
        if (download.is_whole_again(response)) {
            // The server does not do ranges.
            CASEMATE_CHECK(download.restart());
            continue;
        }
        if (response && (response->status == 200 || response->status == 206)) {
            return download.finish();
        }
        const bool again = response ? patience.after(*response) : patience.after(response.error());
        if (!again) {
            return response ? Result<>(unexpected(*response,
                                                  "the blob " + digest_text(descriptor.digest)))
                            : Result<>(in_registry(std::move(response).error(),
                                                   "read blob " + digest_text(descriptor.digest) +
                                                       " of " + base_.origin()));
        }
    }
}

}  // namespace casemate::image
