// Commits into a store that may not grow beyond a size.
#ifndef HELIOS_ENGINE_WITHIN_SIZE_H_
#define HELIOS_ENGINE_WITHIN_SIZE_H_

#include "engine/engine_state.h"

namespace helios {

// Runs `commit` with the room that there is; if that is not enough, once more after a collection.
// The commit must hold neither lock nor batch when it returns.
template <typename Report, typename Attempt>
Result<Report> Engine::WithinSize(const std::optional<uint64_t>& max_size, const Attempt& commit) {
  HELIOS_TRY_ASSIGN(std::unique_ptr<Room> room, state_->MakeRoom(max_size));
  Result<Report> committed = commit(room.get());
  if (committed || room == nullptr || !room->is_over) return committed;
  state_->Debug("collecting: the store would grow beyond its size");
  HELIOS_TRY(Collect(CollectRequest()));
  HELIOS_TRY_ASSIGN(room, state_->MakeRoom(max_size));
  committed = commit(room.get());
  if (committed || room == nullptr || !room->is_over) return committed;
  return state_->TooLarge(max_size, room->bytes);
}

}  // namespace helios

#endif  // HELIOS_ENGINE_WITHIN_SIZE_H_
