#include "helios/engine.h"

#include "engine/engine_state.h"

namespace helios {

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() { state_->FlushRest(); }

Result<std::unique_ptr<Engine>> Engine::Open(EngineOptions options) {
  Result<Backend> backend = IdentifyStore(options.store, options.backends);
  if (!backend && backend.error().code() == ErrorCode::kNoStore && !options.create_with.empty()) {
    const auto wanted = std::find_if(
        options.backends.begin(), options.backends.end(),
        [&](const Backend& candidate) { return candidate.name == options.create_with; });
    if (wanted == options.backends.end()) {
      return Error(ErrorCode::kUnsupported, "unknown backend \"" + options.create_with + "\"");
    }
    HELIOS_TRY(CreateStore(options.store, *wanted));
    backend = IdentifyStore(options.store, options.backends);
  }
  if (!backend) return std::move(backend).error();
  return std::unique_ptr<Engine>(
      new Engine(std::make_unique<State>(std::move(options), std::move(backend).value())));
}

}  // namespace helios
