// What a look at a store's health found.
#ifndef HELIOS_HEALTH_REPORT_H_
#define HELIOS_HEALTH_REPORT_H_

#include <string>
#include <vector>

#include "helios/result.h"

namespace helios {

struct HealthCheck {
  std::string name;  // what was looked at, one word: "objects", "refs", …
  bool ok = true;
  std::string message;                  // what was found
  std::string advice;                   // what to do about it; empty if there is nothing to do
  ErrorCode code = ErrorCode::kFailed;  // of what is wrong, unless ok
};

struct HealthReport {
  std::vector<HealthCheck> checks;
};

}  // namespace helios

#endif  // HELIOS_HEALTH_REPORT_H_
