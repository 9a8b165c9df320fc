// A working set as a store: what is in memory, and what its store has.
#ifndef HELIOS_VST_VST_VIEW_H_
#define HELIOS_VST_VST_VIEW_H_

#include <unordered_map>

#include "vst/vst_store.h"

namespace helios {

// For those who read trees through a store. Nothing can be put into it or removed from it
// (kUnsupported). Valid as long as the working set is not changed. Thread-safe.
class VstView : public ObjectStore {
 public:
  // Commits the working set, speculatively.
  static Result<std::unique_ptr<VstView>> Of(Vst& vst);

  Result<std::optional<Bytes>> Get(const ObjectKey& key) override;
  Result<std::shared_ptr<const Bytes>> GetShared(const ObjectKey& key) override;
  Result<void> GetMany(std::span<const ObjectKey> keys, const GetSink& sink) override;
  Result<std::vector<bool>> HasMany(std::span<const ObjectKey> keys) override;
  Result<std::unique_ptr<ObjectBatch>> OpenBatch() override;
  Result<void> ForEachKey(const KeyVisitor& visitor) override;
  Result<void> Sync() override { return {}; }
  Result<void> Maintain() override { return {}; }
  Result<void> Delete(std::span<const ObjectKey> keys) override;
  Result<uint64_t> Generation() override;
  Result<StoreTotals> Totals() override;

 private:
  VstView(VstObjects objects, ObjectStore* store);
  const ByteView* FindInMemory(const ObjectKey& key) const;

  const VstObjects objects_;
  std::unordered_map<ObjectKey, ByteView, ObjectKeyHash> by_key_;
  ObjectStore* const store_;  // may be null
};

}  // namespace helios

#endif  // HELIOS_VST_VST_VIEW_H_
