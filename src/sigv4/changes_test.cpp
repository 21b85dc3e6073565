// Whatever is signed is verified, and no single change of what is signed is.
#include <gtest/gtest.h>

#include <random>

#include "sigv4/request_for_test.hpp"

namespace casemate::sigv4 {
namespace {

class Dice {
public:
    explicit Dice(unsigned seed) : random_(seed) {}

    std::size_t below(std::size_t bound) { return random_() % bound; }

    std::string text(std::string_view alphabet, std::size_t most, std::size_t least = 0) {
        std::string made;
        const std::size_t size = least + below(most - least + 1);
        for (std::size_t i = 0; i < size; ++i) {
            made += alphabet[below(alphabet.size())];
        }
        return made;
    }

private:
    std::mt19937 random_;
};

constexpr std::string_view kLetters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

std::string make_target(Dice& dice) {
    static constexpr std::array<std::string_view, 12> kPieces = {
        "/", "/a", "/..", "/.", "/%41", "/%2f", "/b c", "/~", "/\xc3\xa9", "/*", "/x+y", "/%zz"};
    static constexpr std::array<std::string_view, 10> kParameters = {
        "a", "a=", "=b", "b=1", "b=2", "a%20b=c+d", "%e1%88%b4=%26", "k==", "k=?/", ""};
    std::string target = "/";
    for (std::size_t i = dice.below(5); i > 0; --i) {
        target += kPieces[dice.below(kPieces.size())];
    }
    for (std::size_t i = 0, count = dice.below(5); i < count; ++i) {
        target += i == 0 ? '?' : '&';
        target += kParameters[dice.below(kParameters.size())];
    }
    return target;
}

OwnedRequest make_request(Dice& dice) {
    OwnedRequest request;
    request.method = dice.below(2) == 0 ? "POST" : dice.text(kLetters, 8, 1);
    request.target = make_target(dice);
    request.headers = {{"Host", dice.text(kLetters, 12)}};
    if (dice.below(2) == 0) {
        request.headers.emplace_back("content-type", "application/x-amz-json-1.1");
    }
    for (std::size_t i = dice.below(6); i > 0; --i) {
        const std::string name = "h" + dice.text("ABab-_", 2);
        request.headers.emplace_back((dice.below(2) == 0 ? "X-Amz-" : "") + name,
                                     dice.text("ab, \t\"\xc3\xa9", 10));
    }
    request.body = dice.text(std::string_view("\0a{}\"\xff", 6), 40);
    return request;
}

struct Signed {
    OwnedRequest request;
    Headers added;
    std::string token;
    codec::Milliseconds time;
};

Signed make_signed(Dice& dice) {
    Signed made{make_request(dice),
                {},
                dice.below(3) == 0 ? dice.text(kLetters, 30, 1) : "",
                example_time() + std::chrono::seconds(dice.below(100'000'000))};
    const auto added = sign(made.request.view(), example_credential(made.token),
                            {kExampleRegion, "kms", made.time, dice.below(2) == 0});
    EXPECT_TRUE(added.ok()) << added.error().message();
    made.added = *added;
    made.request.headers.insert(made.request.headers.end(), added->begin(), added->end());
    return made;
}

Result<SignedBy> verify_signed(const Signed& made, const OwnedRequest& request,
                               SigningKeyCache* cache) {
    return verify(request.view(), example_lookup(made.token), kms_expectations(), made.time, cache);
}

char other(char character) {
    return character == 'a' ? 'b' : 'a';
}

// Each way of changing one thing that is signed.
using Change = void (*)(Dice&, OwnedRequest&);

void change_signed_header(Dice& dice, OwnedRequest& request) {
    std::vector<std::size_t> candidates;
    for (std::size_t i = 0; i < request.headers.size(); ++i) {
        if (request.headers[i].first != "Authorization") {
            candidates.push_back(i);
        }
    }
    request.headers[candidates[dice.below(candidates.size())]].second += "x";
}

void change_a_bit_of_the_body(Dice& dice, OwnedRequest& request) {
    if (request.body.empty()) {
        request.body = "x";
        return;
    }
    char& byte = request.body[dice.below(request.body.size())];
    byte = static_cast<char>(byte ^ static_cast<char>(1U << dice.below(8)));
}

void change_authorization(Dice& dice, OwnedRequest& request) {
    std::string& value = *request.find("Authorization");
    // Not the white space: it may change.
    std::size_t place = 0;
    do {
        place = dice.below(value.size());
    } while (value[place] == ' ');
    value[place] = other(value[place]);
}

constexpr std::array<Change, 13> kChanges = {
    [](Dice&, OwnedRequest& request) { request.method += "X"; },
    [](Dice&, OwnedRequest& request) { request.method[0] = other(request.method[0]); },
    [](Dice&, OwnedRequest& request) {
        request.target.insert(std::min(request.target.find('?'), request.target.size()), "/x");
    },
    [](Dice&, OwnedRequest& request) { request.target += "x"; },
    [](Dice&, OwnedRequest& request) {
        request.target += request.target.find('?') == std::string::npos ? "?x" : "&x";
    },
    change_signed_header,
    change_a_bit_of_the_body,
    [](Dice&, OwnedRequest& request) { request.body += '\0'; },
    [](Dice& dice, OwnedRequest& request) {
        char& digit = (*request.find("X-Amz-Date"))[9 + dice.below(6)];
        digit = digit == '0' ? '1' : '0';
    },
    change_authorization,
    [](Dice&, OwnedRequest& request) { request.headers.emplace_back("X-Amz-New", ""); },
    [](Dice&, OwnedRequest& request) { request.remove("Host"); },
    [](Dice&, OwnedRequest& request) { request.headers.emplace_back("Host", ""); },
};

TEST(Changes, WhatIsSignedIsVerifiedAndNothingElse) {
    Dice dice(20150830);
    SigningKeyCache cache(16);
    for (int round = 0; round < 600; ++round) {
        const Signed made = make_signed(dice);
        const auto by = verify_signed(made, made.request, &cache);
        ASSERT_TRUE(by.ok()) << made.request.target << ": " << by.error().message();
        for (std::size_t i = 0; i < kChanges.size(); ++i) {
            OwnedRequest changed = made.request;
            kChanges[i](dice, changed);
            const auto result = verify_signed(made, changed, i % 2 == 0 ? &cache : nullptr);
            ASSERT_FALSE(result.ok()) << "change " << i << " of " << made.request.target;
            // Every refusal is one of the room's.
            ASSERT_TRUE(result.error().code_as<SigErrc>().has_value());
        }
    }
}

TEST(Changes, EveryCharacterOfAuthorizationCounts) {
    Dice dice(1);
    const Signed made = make_signed(dice);
    const std::string whole = made.added.back().second;
    for (std::size_t i = 0; i < whole.size(); ++i) {
        OwnedRequest request = made.request;
        std::string& value = *request.find("Authorization");
        value = whole.substr(0, i);
        EXPECT_FALSE(verify_signed(made, request, nullptr).ok()) << i;
        value = whole;
        value[i] = other(value[i]);
        EXPECT_FALSE(verify_signed(made, request, nullptr).ok()) << i;
    }
}

}  // namespace
}  // namespace casemate::sigv4
