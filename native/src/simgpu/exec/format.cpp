#include "simgpu/exec/format.h"

#include <cstdio>
#include <cstring>

#include "simgpu/exec/helpers.h"

namespace simgpu::exec {
namespace {

constexpr size_t kLongestString = 1 << 20;

// Reads the argument buffer: each argument is aligned to its own size.
class Arguments {
 public:
  Arguments(ThreadContext* thread, uint64_t address) : thread_(thread), at_(address) {}

  template <typename T>
  T next() {
    at_ = (at_ + sizeof(T) - 1) / sizeof(T) * sizeof(T);
    T value{};
    if (const void* place = locate(thread_, at_, sizeof(T), false)) std::memcpy(&value, place, sizeof(T));
    at_ += sizeof(T);
    ++count_;
    return value;
  }
  int count() const { return count_; }

 private:
  ThreadContext* thread_;
  uint64_t at_;
  int count_ = 0;
};

// One conversion: "%", flags, width, precision without the length modifier, which the host writes its own way.
struct Conversion {
  std::string spec = "%";
  bool wide = false;  // ll, l, j, z, t: 64-bit argument
  int narrow = 0;     // number of h
  char letter = 0;
};

template <typename T>
void append(std::string* text, const std::string& spec, T value) {
  char piece[512];
  const int length = std::snprintf(piece, sizeof(piece), spec.c_str(), value);
  if (length < 0) return;
  if (static_cast<size_t>(length) < sizeof(piece)) {
    text->append(piece, static_cast<size_t>(length));
    return;
  }
  std::string large(static_cast<size_t>(length) + 1, '\0');
  std::snprintf(large.data(), large.size(), spec.c_str(), value);
  text->append(large.data(), static_cast<size_t>(length));
}

// Parses a conversion that begins behind its '%'; returns the position behind it.
size_t parse(const std::string& format, size_t at, Arguments* arguments, Conversion* conversion) {
  for (; at < format.size(); ++at) {
    const char c = format[at];
    if (c == '*') {
      conversion->spec += std::to_string(arguments->next<int32_t>());
    } else if (std::strchr("-+ #0123456789.", c)) {
      conversion->spec += c;
    } else if (c == 'l' || c == 'j' || c == 'z' || c == 't') {
      conversion->wide = true;
    } else if (c == 'h') {
      ++conversion->narrow;
    } else {
      conversion->letter = c;
      return at + 1;
    }
  }
  return at;
}

void append_integer(std::string* text, const Conversion& conversion, Arguments* arguments) {
  const bool is_signed = conversion.letter == 'd' || conversion.letter == 'i';
  const std::string spec = conversion.spec + "ll" + conversion.letter;
  if (conversion.wide) return append(text, spec, static_cast<long long>(arguments->next<int64_t>()));
  const auto value = arguments->next<int32_t>();
  if (conversion.narrow == 1) {
    return append(text, spec, is_signed ? static_cast<long long>(static_cast<int16_t>(value)) : static_cast<uint16_t>(value));
  }
  if (conversion.narrow > 1) {
    return append(text, spec, is_signed ? static_cast<long long>(static_cast<int8_t>(value)) : static_cast<uint8_t>(value));
  }
  append(text, spec, is_signed ? static_cast<long long>(value) : static_cast<long long>(static_cast<uint32_t>(value)));
}

void append_conversion(ThreadContext* thread, std::string* text, const Conversion& conversion, Arguments* arguments) {
  switch (conversion.letter) {
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
      return append_integer(text, conversion, arguments);
    case 'c':
      return append(text, conversion.spec + 'c', arguments->next<int32_t>());
    case 'p':
      return append(text, conversion.spec + 'p', reinterpret_cast<void*>(arguments->next<uint64_t>()));
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
    case 'a':
    case 'A':
      return append(text, conversion.spec + conversion.letter, arguments->next<double>());
    case 's': {
      const auto address = arguments->next<uint64_t>();
      return append(text, conversion.spec + 's', (address ? device_string(thread, address) : std::string("(null)")).c_str());
    }
    case '%':
      *text += '%';
      return;
    default:
      *text += conversion.spec;
      *text += conversion.letter;
      return;
  }
}

}  // namespace

std::string device_string(ThreadContext* thread, uint64_t address) {
  std::string text;
  for (; text.size() < kLongestString; ++address) {
    const auto* place = static_cast<const char*>(locate(thread, address, 1, false));
    if (!place || !*place) break;
    text += *place;
  }
  return text;
}

int format_device(ThreadContext* thread, uint64_t format_address, uint64_t argument_address, std::string* text) {
  if (!format_address) return -1;
  const std::string format = device_string(thread, format_address);
  Arguments arguments(thread, argument_address);
  for (size_t at = 0; at < format.size();) {
    if (format[at] != '%') {
      *text += format[at++];
      continue;
    }
    Conversion conversion;
    at = parse(format, at + 1, &arguments, &conversion);
    if (conversion.letter) append_conversion(thread, text, conversion, &arguments);
  }
  return arguments.count();
}

}  // namespace simgpu::exec
