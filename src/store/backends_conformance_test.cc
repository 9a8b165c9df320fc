// The backends of the library itself, and the conformance suite.
#include "store/conformance.h"
#include "store/decorators.h"
#include "store/memory/memory_store.h"

namespace helios {
namespace {

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformance,
                         ::testing::ValuesIn(WithDecorators(
                             {"memory",
                              [](const std::string&) -> Result<std::unique_ptr<ObjectStore>> {
                                return std::unique_ptr<ObjectStore>(
                                    std::make_unique<MemoryStore>());
                              },
                              /*is_shared=*/false})),
                         ConformanceCaseName());

// Optimized before whatever is read of it.
class OptimizedStore : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Result<std::optional<Bytes>> Get(const ObjectKey& key) override {
    HELIOS_TRY(Optimize({}));
    return inner().Get(key);
  }
  Result<void> GetMany(std::span<const ObjectKey> keys, const GetSink& sink) override {
    HELIOS_TRY(Optimize({}));
    return inner().GetMany(keys, sink);
  }
  Result<void> ForEachKey(const KeyVisitor& visitor) override {
    HELIOS_TRY(Optimize({}));
    return inner().ForEachKey(visitor);
  }
};

ConformanceCase OptimizedPacks() {
  return {"optimized_pack",
          [](const std::string& folder) -> Result<std::unique_ptr<ObjectStore>> {
            HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> packs, PackBackend().open(folder, {}));
            return std::unique_ptr<ObjectStore>(std::make_unique<OptimizedStore>(std::move(packs)));
          },
          /*is_shared=*/true, /*verifies=*/false, /*moves_objects_when_read=*/true};
}

ConformanceCase SmallPacks() {
  return {"small_pack", [](const std::string& folder) -> Result<std::unique_ptr<ObjectStore>> {
            HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectStore> packs, PackBackend().open(folder, {}));
            packs->SetCompression(Compression::kSmall);
            return packs;
          }};
}

INSTANTIATE_TEST_SUITE_P(Pack, StoreConformance,
                         ::testing::ValuesIn(WithDecorators({"pack", OpenerOf(PackBackend())})),
                         ConformanceCaseName());
INSTANTIATE_TEST_SUITE_P(PackCompression, StoreConformance,
                         ::testing::Values(OptimizedPacks(), SmallPacks()), ConformanceCaseName());
INSTANTIATE_TEST_SUITE_P(PackCompression, SharedStoreConformance,
                         ::testing::Values(OptimizedPacks(), SmallPacks()), ConformanceCaseName());
INSTANTIATE_TEST_SUITE_P(Pack, SharedStoreConformance,
                         ::testing::ValuesIn(WithDecorators({"pack", OpenerOf(PackBackend())})),
                         ConformanceCaseName());

}  // namespace
}  // namespace helios
