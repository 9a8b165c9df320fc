// What a working set consists of. For the parts of Helios that bring working sets into a store,
// onto disk, or together.
#ifndef HELIOS_VST_VST_STATE_H_
#define HELIOS_VST_VST_STATE_H_

#include <memory>
#include <optional>

#include "helios/vst.h"
#include "vst/vst_directory.h"
#include "vst/vst_store.h"

namespace helios {

// Copied by Fork: each part is a pointer or small.
struct Vst::State {
  PageSource source;
  Ref<VstDirectory> root;
  std::optional<VstBase> base;
  // The head of a Branch that this was forked from; null if it was not.
  std::shared_ptr<const void> branch_head;
  std::shared_ptr<const VstHold> hold;  // null if no engine made it
};

}  // namespace helios

#endif  // HELIOS_VST_VST_STATE_H_
