// For bugs in Helios itself, in every build; never for data from disk, users or the network.
#ifndef HELIOS_BASE_CHECK_H_
#define HELIOS_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

#define HELIOS_CHECK(condition)                                                               \
  do {                                                                                        \
    if (!(condition)) {                                                                       \
      std::fprintf(stderr, "%s:%d: bug: %s does not hold\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                           \
    }                                                                                         \
  } while (false)

#endif  // HELIOS_BASE_CHECK_H_
