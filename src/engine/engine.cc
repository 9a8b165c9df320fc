#include "helios/engine.h"

#include "engine/engine_state.h"
#include "store/store_settings.h"

namespace helios {

namespace {

Result<void> CheckCompression(const std::string& store, Compression wanted) {
  HELIOS_TRY_ASSIGN(const StoreSettings settings, ReadSettings(store));
  if (settings.compression == wanted) return {};
  return Error(ErrorCode::kInvalidArgument,
               "the store " + store + " is there already and compresses \"" +
                   std::string(CompressionName(settings.compression)) +
                   "\": change that with \"helios config compression " +
                   std::string(CompressionName(wanted)) + "\"");
}

}  // namespace

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
    HELIOS_TRY(CreateStore(options.store, *wanted, options.compression));
    backend = IdentifyStore(options.store, options.backends);
  }
  if (!backend) return std::move(backend).error();
  if (options.compression) HELIOS_TRY(CheckCompression(options.store, *options.compression));
  return std::unique_ptr<Engine>(
      new Engine(std::make_unique<State>(std::move(options), std::move(backend).value())));
}

Result<Compression> Engine::GetCompression() {
  HELIOS_TRY_ASSIGN(const StoreSettings settings, ReadSettings(state_->paths.root));
  return settings.compression;
}

Result<void> Engine::SetCompression(Compression compression) {
  StoreSettings settings;
  // Those that cannot be read are made anew.
  if (const Result<StoreSettings> known = ReadSettings(state_->paths.root)) settings = *known;
  settings.compression = compression;
  return SetSettings(settings);
}

Result<StoreSettings> Engine::GetSettings() { return ReadSettings(state_->paths.root); }

Result<void> Engine::SetSettings(const StoreSettings& settings) {
  HELIOS_TRY(WriteSettings(state_->paths.root, settings));
  HELIOS_TRY_ASSIGN(ObjectStore * store, state_->Store());
  store->SetCompression(settings.compression);
  return {};
}

}  // namespace helios
