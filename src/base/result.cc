#include "helios/result.h"

#include <cerrno>
#include <cstring>

#include "base/one_line.h"

namespace helios {

Error Error::FromErrno(int os_error, std::string_view action, std::string_view subject) {
  const bool no_space = os_error == ENOSPC || os_error == EDQUOT || os_error == EFBIG;
  std::string message = "cannot ";
  message.append(action).append(" ").append(OnOneLine(subject)).append(": ");
  message.append(std::strerror(os_error));
  return Error(no_space ? ErrorCode::kNoSpace : ErrorCode::kFailed, std::move(message), os_error);
}

Error Error::WithContext(std::string_view context) && {
  std::string message = OnOneLine(context);
  message.append(": ").append(message_);
  message_ = std::move(message);
  return std::move(*this);
}

}  // namespace helios
