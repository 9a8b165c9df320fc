// Errors as values. Result<T> has std::expected's names; Error says what happened, to which object
// or path, and why.
#ifndef HELIOS_RESULT_H_
#define HELIOS_RESULT_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace helios {

// A small closed set: each code exists because a caller branches on it (the CLI's exit codes at the
// latest). Everything else is kFailed.
enum class ErrorCode {
  kFailed,           // an operation failed; the message and os_error() say how
  kInvalidArgument,  // the caller's input is malformed
  kAmbiguous,        // an id prefix names more than one thing
  kNotFound,         // the named snapshot, record, ref or path does not exist
  kWouldLoseWork,    // refused: bytes that no snapshot holds would be overwritten or deleted
  kNoStore,          // there is no store at the place named
  kBusy,             // waited, and another process still holds what is needed
  kCorrupt,          // stored bytes are damaged
  kMissingObject,    // an object that something refers to is not in the store
  kNoSpace,          // the file system is full or a quota is reached
  kUnsupported,      // a format version or backend that this build does not know
  kStale,            // a branch has moved on: what was to advance it was made upon an older state
};

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message, int os_error = 0)
      : code_(code), os_error_(os_error), message_(std::move(message)) {}

  // An error of a system call: "cannot <action> <subject>: <strerror>". ENOSPC, EDQUOT and EFBIG
  // become kNoSpace. `subject` is the path or object it happened to.
  static Error FromErrno(int os_error, std::string_view action, std::string_view subject);

  ErrorCode code() const { return code_; }
  // The errno behind this error, 0 where there is none.
  int os_error() const { return os_error_; }
  // Everything that is known, outermost context first.
  const std::string& message() const { return message_; }

  // This error seen from one level further up: "<context>: <message>".
  Error WithContext(std::string_view context) &&;

 private:
  ErrorCode code_;
  int os_error_;
  std::string message_;
};

// A T or the Error that kept it from existing. Reading the one that is absent is a bug and aborts.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}                               // NOLINT: implicit
  Result(Error error) : state_(std::make_unique<Error>(std::move(error))) {}  // NOLINT: implicit

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& { return *std::get<1>(state_); }
  Error&& error() && { return std::move(*std::get<1>(state_)); }

 private:
  std::variant<T, std::unique_ptr<Error>> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::make_unique<Error>(std::move(error))) {}  // NOLINT: implicit

  bool has_value() const { return error_ == nullptr; }
  explicit operator bool() const { return has_value(); }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::unique_ptr<Error> error_;
};

}  // namespace helios

#define HELIOS_CONCAT_INNER_(a, b) a##b
#define HELIOS_CONCAT_(a, b) HELIOS_CONCAT_INNER_(a, b)

// Leaves the function with the error of `expression`, a Result of any type, if it has one.
#define HELIOS_TRY(expression)                                 \
  do {                                                         \
    if (auto helios_result_ = (expression); !helios_result_) { \
      return std::move(helios_result_).error();                \
    }                                                          \
  } while (false)

// HELIOS_TRY_ASSIGN(auto value, Compute()): binds the value, or leaves with the error.
#define HELIOS_TRY_ASSIGN(declaration, expression) \
  HELIOS_TRY_ASSIGN_(HELIOS_CONCAT_(helios_result_, __LINE__), declaration, expression)
// NOLINTBEGIN(bugprone-macro-parentheses): a declaration cannot stand in parentheses.
#define HELIOS_TRY_ASSIGN_(result, declaration, expression) \
  auto result = (expression);                               \
  if (!result) return std::move(result).error();            \
  declaration = std::move(result).value()
// NOLINTEND(bugprone-macro-parentheses)

#endif  // HELIOS_RESULT_H_
