// Damaged files of the store are kept, where nothing looks for them.
#ifndef HELIOS_BASE_SET_ASIDE_H_
#define HELIOS_BASE_SET_ASIDE_H_

#include <string>

#include "helios/result.h"

namespace helios {

// Makes a second name of the file at `path` in `folder`, which is made if need be: durable on
// return, so that the first may be replaced or removed. Where files have one name only, a copy of a
// regular file. Returns where it is. Whatever `path` is, a link is not followed.
Result<std::string> KeepAside(const std::string& path, const std::string& folder);

}  // namespace helios

#endif  // HELIOS_BASE_SET_ASIDE_H_
