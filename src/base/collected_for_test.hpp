// A stdio stream into memory.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace casemate {

class Collected {
public:
    Collected() : stream_(open_memstream(&text_, &size_)) {}
    ~Collected() {
        std::fclose(stream_);
        std::free(text_);
    }
    Collected(const Collected&) = delete;
    Collected& operator=(const Collected&) = delete;
    [[nodiscard]] std::FILE* stream() const { return stream_; }
    // text is what has been written so far.
    [[nodiscard]] std::string text() const {
        std::fflush(stream_);
        return {text_, size_};
    }

private:
    char* text_ = nullptr;
    std::size_t size_ = 0;
    std::FILE* stream_;
};

}  // namespace casemate
