#include "engine/within_size.h"

#include "store/store_settings.h"

namespace helios {
namespace {

std::optional<uint64_t> MaxSizeOf(const StorePaths& paths, const std::optional<uint64_t>& asked) {
  if (asked) return asked;
  // Settings that cannot be read stop whoever has something to write.
  const Result<StoreSettings> settings = ReadSettings(paths.root);
  return settings ? settings->max_size : std::nullopt;
}

}  // namespace

Result<std::unique_ptr<Room>> Engine::State::MakeRoom(const std::optional<uint64_t>& max_size) {
  const std::optional<uint64_t> limit = MaxSizeOf(paths, max_size);
  if (!limit) return std::unique_ptr<Room>();
  HELIOS_TRY_ASSIGN(const FileLock use, UseBackend());
  HELIOS_TRY_ASSIGN(ObjectStore * store, Store());
  HELIOS_TRY_ASSIGN(const StoreTotals totals, store->Totals());
  auto room = std::make_unique<Room>();
  room->bytes = *limit > totals.bytes_on_disk ? *limit - totals.bytes_on_disk : 0;
  return room;
}

Error Engine::State::TooLarge(const std::optional<uint64_t>& max_size, uint64_t room) {
  const uint64_t limit = MaxSizeOf(paths, max_size).value_or(0);
  return Error(ErrorCode::kNoSpace,
               "refused: the store " + paths.root + " may take " + std::to_string(limit) +
                   " bytes, and this commit needs more than the " + std::to_string(room) +
                   " that are left after collecting; nothing of it was kept, and nothing else was "
                   "lost: let go of old snapshots (\"helios gc --keep-last 10\", \"helios tag "
                   "--delete\"), or allow more (\"helios config max-size\")");
}

}  // namespace helios
