#include "authority/hierarchy.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>

#include "base/os_error.hpp"

namespace casemate::authority {

namespace {

using attestation::Isolation;
using std::chrono::days;
using std::chrono::hours;
using std::chrono::seconds;

// A certificate of the hierarchy begins earlier than it is made, for clocks that are behind.
constexpr hours kBackdate{1};
constexpr std::size_t kNumberDigits = 16;
constexpr std::string_view kTail = ".casemate-enclaves";

Result<Bytes> random_bytes(std::size_t size) {
    Bytes bytes(size);
    if (::getrandom(bytes.data(), size, 0) != static_cast<ssize_t>(size)) {
        return os_error("draw random numbers");
    }
    return bytes;
}

// Positive, and of the size it is drawn with.
Result<Bytes> random_serial(std::size_t size) {
    CASEMATE_TRY(Bytes serial, random_bytes(size));
    serial.front() = static_cast<std::uint8_t>((serial.front() & 0x3fU) | 0x40U);
    return serial;
}

crypto::Seconds years_after(crypto::Seconds time, int count) {
    const auto day = std::chrono::floor<days>(time);
    std::chrono::year_month_day date{day};
    date += std::chrono::years(count);
    if (!date.ok()) {
        // The 29th of February.
        date = date.year() / date.month() / std::chrono::last;
    }
    return std::chrono::sys_days(date) + (time - day);
}

// How long a level's certificate is valid as a whole.
crypto::Seconds end_of(Rank rank, crypto::Seconds begin) {
    switch (rank) {
        case Rank::root:
            return years_after(begin, 30) + hours(1);
        case Rank::region:
            return begin + days(20) + hours(1);
        case Rank::zone:
            return begin + days(6);
        case Rank::instance:
            break;
    }
    return begin + hours(24);
}

void add_units(crypto::Name& name, const Place& place) {
    name.push_back({"OU", std::string(attestation::name_of(place.isolation))});
    if (place.debug) {
        name.push_back({"OU", std::string(attestation::kDebugLabel)});
    }
}

crypto::Name zone_subject(const Place& place, const std::string& common) {
    crypto::Name name{{"CN", common}};
    add_units(name, place);
    name.insert(name.end(), {{"O", "Casemate"}, {"C", "ZZ"}, {"ST", "Local"}, {"L", "Local"}});
    return name;
}

crypto::Name instance_subject(const Place& place, const std::string& common) {
    crypto::Name name{{"C", "ZZ"}, {"ST", "Local"}, {"L", "Local"}, {"O", "Casemate"}};
    add_units(name, place);
    name.push_back({"CN", common});
    return name;
}

crypto::Name upper_subject(const std::string& common) {
    return {{"C", "ZZ"}, {"O", "Casemate"}, {"OU", "Casemate"}, {"CN", common}};
}

std::string common_name(const Place& place, const Instance& instance, const std::string& number) {
    switch (place.rank) {
        case Rank::root:
            return number + std::string(kTail);
        case Rank::region:
            return number + "." + instance.region + std::string(kTail);
        case Rank::zone:
            return number + ".zonal." + instance.region + std::string(kTail);
        case Rank::instance:
            break;
    }
    return instance.instance_id + "." + instance.region + std::string(kTail);
}

std::string class_name(const Place& place, const char* separator) {
    return std::string(attestation::name_of(place.isolation)) +
           (place.debug ? separator + std::string(attestation::kDebugLabel) : "");
}

std::string_view rank_name(Rank rank) {
    constexpr std::array<std::string_view, 4> kNames{"root", "region", "zone", "instance"};
    return kNames.at(static_cast<std::size_t>(rank));
}

bool has_class(Rank rank) {
    return rank == Rank::zone || rank == Rank::instance;
}

}  // namespace

std::vector<Place> all_places() {
    std::vector<Place> places{{Rank::root, {}, {}}, {Rank::region, {}, {}}};
    for (const Rank rank : {Rank::zone, Rank::instance}) {
        for (const Isolation isolation : {Isolation::kvm, Isolation::software}) {
            places.push_back({rank, isolation, false});
            places.push_back({rank, isolation, true});
        }
    }
    return places;
}

std::string file_name(const Place& place) {
    return "level-" + std::string(rank_name(place.rank)) +
           (has_class(place.rank) ? "-" + class_name(place, "-") : "") + ".pem";
}

std::string people_name(const Place& place) {
    return std::string(rank_name(place.rank)) +
           (has_class(place.rank) ? " (" + class_name(place, ", ") + ")" : "");
}

seconds child_life(Rank rank) {
    switch (rank) {
        case Rank::root:
            return days(20) + hours(1);
        case Rank::region:
            return days(6);
        case Rank::zone:
            return hours(24);
        case Rank::instance:
            break;
    }
    return kLeafLife;
}

crypto::Seconds renewal_of(Rank rank, crypto::Seconds not_after) {
    return not_after - child_life(rank) - kMargin;
}

crypto::Name subject_of(const Place& place, const Instance& instance, const std::string& number) {
    const std::string common = common_name(place, instance, number);
    if (place.rank == Rank::zone) {
        return zone_subject(place, common);
    }
    return place.rank == Rank::instance ? instance_subject(place, common) : upper_subject(common);
}

crypto::Name leaf_subject(const Place& place, const Instance& instance,
                          const std::string& module_id) {
    return instance_subject(place, module_id + "." + instance.region + ".casemate");
}

bool has_subject(const crypto::Name& name, const Place& place, const Instance& instance) {
    const auto common = std::find_if(name.begin(), name.end(),
                                     [](const auto& attribute) { return attribute.type == "CN"; });
    return common != name.end() &&
           name == subject_of(place, instance, common->value.substr(0, kNumberDigits));
}

std::string readable_name(const crypto::Name& name) {
    std::string text;
    for (const crypto::NameAttribute& attribute : name) {
        text += (text.empty() ? "" : ", ") + attribute.type + "=" + attribute.value;
    }
    return text;
}

Result<crypto::CertificateTemplate> level_template(const Place& place, const Instance& instance,
                                                   crypto::Seconds now,
                                                   std::optional<crypto::Seconds> parent_begin) {
    const bool last = place.rank == Rank::instance;
    crypto::CertificateTemplate what;
    CASEMATE_TRY(what.serial, random_serial(last ? 20 : 16));
    CASEMATE_TRY(const Bytes number, random_bytes(kNumberDigits / 2));
    what.subject = subject_of(place, instance, to_hex(number));
    what.not_before = now - kBackdate;
    if (parent_begin) {
        what.not_before = std::max(what.not_before, *parent_begin);
    }
    what.not_after = end_of(place.rank, what.not_before);
    what.is_ca = true;
    if (place.rank != Rank::root) {
        // Two below the region, one below the zone, none below the instance but leaves.
        what.path_length =
            static_cast<std::uint32_t>(Rank::instance) - static_cast<std::uint32_t>(place.rank);
    }
    what.key_usage = last ? crypto::kKeyCertSign
                          : crypto::kDigitalSignature | crypto::kKeyCertSign | crypto::kCrlSign;
    what.with_subject_key_id = !last;
    what.with_authority_key_id = place.rank == Rank::region || place.rank == Rank::zone;
    return what;
}

}  // namespace casemate::authority
