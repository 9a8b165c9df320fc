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

Result<void> CheckBackend(const EngineOptions& options, const std::string& backend) {
  if (options.backend.empty() || options.backend == backend) return {};
  HELIOS_TRY(FindBackend(options.backends, options.backend));
  return Error(ErrorCode::kInvalidArgument,
               "the store " + options.store + " is there already and is made of \"" + backend +
                   "\": move it with \"helios store migrate --to " + options.backend + "\"");
}

struct Opened {
  Backend backend;
  bool created = false;
};

Result<Opened> OpenOrCreate(const EngineOptions& options) {
  Opened opened;
  Result<Backend> backend = IdentifyStore(options.store, options.backends);
  if (!backend && backend.error().code() == ErrorCode::kNoStore && !options.create_with.empty()) {
    const std::string& name = options.backend.empty() ? options.create_with : options.backend;
    HELIOS_TRY_ASSIGN(const Backend wanted, FindBackend(options.backends, name));
    HELIOS_TRY(CreateStore(options.store, wanted, options.compression));
    opened.created = true;
    backend = IdentifyStore(options.store, options.backends);
  }
  if (!backend) return std::move(backend).error();
  opened.backend = std::move(backend).value();
  HELIOS_TRY(CheckBackend(options, opened.backend.name));
  if (options.compression) HELIOS_TRY(CheckCompression(options.store, *options.compression));
  return opened;
}

}  // namespace

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::~Engine() { state_->FlushRest(); }

Result<std::unique_ptr<Engine>> Engine::Open(EngineOptions options) {
  HELIOS_TRY_ASSIGN(Opened opened, OpenOrCreate(options));
  return std::unique_ptr<Engine>(
      new Engine(std::make_unique<State>(std::move(options), std::move(opened.backend))));
}

Result<InitReport> Engine::Init(const EngineOptions& options) {
  HELIOS_TRY_ASSIGN(const Opened opened, OpenOrCreate(options));
  return InitReport{opened.created, opened.backend.name};
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
