// A library as backend_library_test.cc loads it. The build makes several of it, each with something
// else that is wrong.
#include "store/backend_interface.h"

namespace {

helios::Backend MakeStub() {
  helios::Backend backend;
  backend.name = "stub";
  backend.create = [](const std::string&) -> helios::Result<void> {
    return helios::Error(helios::ErrorCode::kFailed, "the stub was asked to create");
  };
  backend.open =
      [](const std::string&,
         const helios::OpenOptions&) -> helios::Result<std::unique_ptr<helios::ObjectStore>> {
    return helios::Error(helios::ErrorCode::kFailed, "the stub was asked to open");
  };
  return backend;
}

}  // namespace

extern "C" {
extern __attribute__((visibility("default"))) const helios::BackendInterface STUB_SYMBOL;
const helios::BackendInterface STUB_SYMBOL = {STUB_VERSION, MakeStub};
}
