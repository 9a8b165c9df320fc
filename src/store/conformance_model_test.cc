// The conformance suite's random operations: every store does what a std::map does.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "store/conformance.h"

namespace helios {
namespace {

using test::kAllKinds;
using test::ListKeys;
using test::MakeObject;
using test::Ok;
using test::Random;
using test::RandomBytes;
using test::TextBytes;

// Random operations upon the store and upon a std::map, which must agree at every step.
class Model {
 public:
  Model(uint64_t seed, std::function<std::unique_ptr<ObjectStore>()> reopen, ObjectStore* store)
      : random_(seed), reopen_(std::move(reopen)), store_(store) {
    for (uint64_t i = 0; i < 60; ++i) {
      const size_t size = random_.Below(5) == 0 ? random_.Below(200'000) : random_.Below(300);
      Bytes bytes = random_.Below(2) == 0 ? RandomBytes(size, i) : TextBytes(size, i);
      universe_.push_back(MakeObject(kAllKinds[random_.Below(5)], std::move(bytes)));
    }
  }

  Result<void> Step() {
    switch (random_.Below(10)) {
      case 0:
      case 1:
      case 2:
        return PutSome();
      case 3:
        return GetSome();
      case 4:
        return GetManySome();
      case 5:
        return HasSome();
      case 6:
        return DeleteSome();
      case 7:
        return store_->Maintain();
      case 8:
        return ListAll();
      default:
        return reopen_ == nullptr ? store_->Sync() : Reopen();
    }
  }

 private:
  static Error Differs(const std::string& what, const ObjectKey& key) {
    return Error(ErrorCode::kFailed, what + ": " + key.ToString());
  }
  const Object& Pick() { return universe_[random_.Below(universe_.size())]; }
  std::vector<ObjectKey> PickKeys() {
    std::vector<ObjectKey> keys;
    for (size_t i = random_.Below(20); i > 0; --i) keys.push_back(Pick().key);
    return keys;
  }

  Result<void> PutSome() {
    HELIOS_TRY_ASSIGN(const std::unique_ptr<ObjectBatch> batch, store_->OpenBatch());
    std::map<ObjectKey, Bytes> put;
    for (size_t i = random_.Below(8); i > 0; --i) {
      const Object& object = Pick();
      HELIOS_TRY(batch->Put(object.key, object.bytes));
      put[object.key] = object.bytes;
    }
    if (random_.Below(4) == 0) return {};  // destroyed unpublished
    HELIOS_TRY(batch->Publish());
    model_.merge(put);
    return {};
  }
  Result<void> GetSome() {
    for (int i = 0; i < 10; ++i) {
      const ObjectKey key = Pick().key;
      HELIOS_TRY_ASSIGN(const std::optional<Bytes> bytes, store_->Get(key));
      const auto wanted = model_.find(key);
      if (bytes.has_value() != (wanted != model_.end())) return Differs("presence", key);
      if (bytes && *bytes != wanted->second) return Differs("bytes", key);
    }
    return {};
  }
  Result<void> GetManySome() {
    const std::vector<ObjectKey> keys = PickKeys();
    std::vector<bool> called(keys.size(), false);
    HELIOS_TRY(store_->GetMany(keys, [&](size_t i, std::optional<ByteView> bytes) -> Result<void> {
      const auto wanted = model_.find(keys[i]);
      if (called[i]) return Differs("twice", keys[i]);
      called[i] = true;
      if (bytes.has_value() != (wanted != model_.end())) return Differs("presence", keys[i]);
      if (bytes && *bytes != wanted->second) return Differs("bytes", keys[i]);
      return {};
    }));
    for (size_t i = 0; i < keys.size(); ++i) {
      if (!called[i]) return Differs("not called", keys[i]);
    }
    return {};
  }
  Result<void> HasSome() {
    const std::vector<ObjectKey> keys = PickKeys();
    HELIOS_TRY_ASSIGN(const std::vector<bool> has, store_->HasMany(keys));
    for (size_t i = 0; i < keys.size(); ++i) {
      if (has[i] != (model_.count(keys[i]) > 0)) return Differs("has", keys[i]);
    }
    return {};
  }
  Result<void> DeleteSome() {
    const std::vector<ObjectKey> keys = PickKeys();
    HELIOS_TRY(store_->Delete(keys));
    for (const ObjectKey& key : keys) model_.erase(key);
    return {};
  }
  Result<void> ListAll() {
    HELIOS_TRY_ASSIGN(const auto keys, ListKeys(*store_));
    for (const auto& [key, size] : keys) {
      const auto wanted = model_.find(key);
      if (wanted == model_.end()) return Differs("listed", key);
      if (wanted->second.size() != size) return Differs("size", key);
    }
    if (keys.size() != model_.size()) return Error(ErrorCode::kFailed, "keys are not listed");
    return {};
  }
  Result<void> Reopen() {
    reopened_ = reopen_();
    store_ = reopened_.get();
    if (store_ == nullptr) return Error(ErrorCode::kFailed, "cannot reopen");
    return {};
  }

  Random random_;
  std::vector<Object> universe_;
  std::map<ObjectKey, Bytes> model_;
  std::function<std::unique_ptr<ObjectStore>()> reopen_;
  std::unique_ptr<ObjectStore> reopened_;
  ObjectStore* store_;
};

TEST_P(StoreConformance, AgreesWithAMapUnderRandomOperations) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    const test::TempFolder folder;
    const auto open = [&]() -> std::unique_ptr<ObjectStore> {
      Result<std::unique_ptr<ObjectStore>> opened = GetParam().open(folder.path());
      return opened ? std::move(opened).value() : nullptr;
    };
    const std::unique_ptr<ObjectStore> store = open();
    ASSERT_NE(store, nullptr);
    std::function<std::unique_ptr<ObjectStore>()> reopen;
    if (GetParam().is_shared) reopen = open;
    Model model(seed, reopen, store.get());
    for (int step = 0; step < 120; ++step) {
      ASSERT_TRUE(Ok(model.Step())) << "seed " << seed << ", step " << step;
    }
  }
}

}  // namespace
}  // namespace helios
