// Access: what a registry wants to see before it hands out a repository.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "http/message.hpp"
#include "image/registry/answers.hpp"
#include "image/registry/caller.hpp"
#include "image/registry/challenge.hpp"
#include "image/registry/registry_reference.hpp"

namespace casemate::image {

// Authorization: the value of that header, and which one it is: nothing at first.
struct Authorization {
    std::shared_ptr<const SecretBytes> value;
    std::uint64_t generation = 0;
};

// Access answers the challenges of one registry for reading one repository. Safe to use from
// several threads.
class Access {
public:
    // base: the registry's own URL. credentials may be nothing: many registries want a token from
    // everybody.
    Access(Hosts& hosts, http::Url base, const RegistryReference& reference,
           std::optional<Credentials> credentials)
        : caller_(hosts),
          base_(std::move(base)),
          name_(reference.name()),
          registry_(reference.registry),
          scope_("repository:" + reference.repository + ":pull"),
          credentials_(std::move(credentials)) {}

    // authorization gives what to send; a token that has expired is renewed before. Errors: as
    // answer's.
    [[nodiscard]] Result<Authorization> authorization();

    // answer is told of a response with status 401 to a request with that authorization, so that
    // the next one may be better. Errors: ImageErrc unauthorized where nothing better can be had
    // (what to do is in the sentence), registry for a challenge or a token that can't be used; the
    // Caller's.
    [[nodiscard]] Result<> answer(const http::Response& response, const Authorization& used);

    // refusal is the error for a registry that does not take what it was shown.
    [[nodiscard]] Error refusal(const http::Response& response) const;

private:
    using Clock = std::chrono::steady_clock;

    [[nodiscard]] Result<> use_basic();
    [[nodiscard]] Result<> renew_token();
    [[nodiscard]] Result<Call> token_call(SecretBytes& secret) const;
    void set(SecretBytes value);

    std::mutex mutex_;
    Caller caller_;
    http::Url base_;
    std::string name_;
    std::string registry_;
    std::string scope_;
    std::optional<Credentials> credentials_;
    // bearer: the challenge that asked for a token.
    std::optional<Challenge> bearer_;
    Authorization current_;
    Clock::time_point expiry_ = Clock::time_point::max();
};

}  // namespace casemate::image
