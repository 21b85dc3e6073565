#include "kms/store/error.hpp"

namespace casemate::kms {

std::string_view describe(StoreErrc code) {
    switch (code) {
        case StoreErrc::conflict:
            return "changed meanwhile";
        case StoreErrc::exists:
            return "exists already";
        case StoreErrc::not_found:
            return "not found";
        case StoreErrc::unavailable:
            return "store unavailable";
        case StoreErrc::damaged:
            return "damaged store";
        case StoreErrc::bad_place:
            return "no place for a store";
        case StoreErrc::bad_text:
            return "no text";
        case StoreErrc::not_empty:
            return "not empty";
    }
    return "unknown store error";
}

}  // namespace casemate::kms
