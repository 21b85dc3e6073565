// JSON of one line, as the logs have it, written straight into text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace casemate::kms::service {

// JsonLine is the text of a JSON object whose members are put one after the other, each under a
// name that is not there yet. Texts are UTF-8; what JSON wants escaped is.
class JsonLine {
public:
    JsonLine();

    JsonLine& text(std::string_view name, std::string_view value);
    JsonLine& number(std::string_view name, std::int64_t value);
    JsonLine& truth(std::string_view name, bool value);
    // value puts a member that is JSON already.
    JsonLine& value(std::string_view name, std::string_view json);

    // begin opens an object, or a list of objects, in which what follows is put until its end; an
    // element of a list has no name.
    JsonLine& begin(std::string_view name);
    JsonLine& begin_list(std::string_view name);
    JsonLine& begin_element();
    JsonLine& end();
    JsonLine& end_list();

    // take ends the object and gives its text.
    [[nodiscard]] std::string take() &&;

private:
    void put_name(std::string_view name);
    void put_text(std::string_view value);
    void put_comma();

    std::string out_;
};

}  // namespace casemate::kms::service
