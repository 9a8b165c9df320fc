// How much of a snapshot a restore brings at once.
#ifndef HELIOS_RESTORE_MODE_H_
#define HELIOS_RESTORE_MODE_H_

namespace helios {

enum class RestoreMode {
  kEager,  // with all contents
  kLazy,   // only path → object; contents on first use
};

}  // namespace helios

#endif  // HELIOS_RESTORE_MODE_H_
