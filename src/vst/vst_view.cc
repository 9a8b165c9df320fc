#include "vst/vst_view.h"

namespace helios {
namespace {

Error Unsupported() {
  return Error(ErrorCode::kUnsupported, "a working set can only be read from, as a store");
}

}  // namespace

VstView::VstView(VstObjects objects, ObjectStore* store)
    : objects_(std::move(objects)), store_(store) {
  by_key_.reserve(objects_.objects.size());
  for (const BorrowedObject& object : objects_.objects) by_key_.emplace(object.key, object.bytes);
}

Result<std::unique_ptr<VstView>> VstView::Of(Vst& vst) {
  HELIOS_TRY_ASSIGN(VstObjects objects, VstAccess::CollectObjects(vst));
  return std::unique_ptr<VstView>(new VstView(std::move(objects), VstAccess::StoreOf(vst)));
}

const ByteView* VstView::FindInMemory(const ObjectKey& key) const {
  const auto it = by_key_.find(key);
  return it == by_key_.end() ? nullptr : &it->second;
}

Result<std::optional<Bytes>> VstView::Get(const ObjectKey& key) {
  if (const ByteView* bytes = FindInMemory(key)) return std::optional<Bytes>(*bytes);
  return store_ == nullptr ? std::optional<Bytes>() : store_->Get(key);
}

Result<std::shared_ptr<const Bytes>> VstView::GetShared(const ObjectKey& key) {
  if (const ByteView* bytes = FindInMemory(key)) return std::make_shared<const Bytes>(*bytes);
  return store_ == nullptr ? std::shared_ptr<const Bytes>() : store_->GetShared(key);
}

Result<void> VstView::GetMany(std::span<const ObjectKey> keys, const GetSink& sink) {
  std::vector<ObjectKey> others;
  std::vector<size_t> places;
  for (size_t i = 0; i < keys.size(); ++i) {
    const ByteView* bytes = FindInMemory(keys[i]);
    if (bytes != nullptr || store_ == nullptr) {
      HELIOS_TRY(sink(i, bytes == nullptr ? std::nullopt : std::optional(*bytes)));
      continue;
    }
    others.push_back(keys[i]);
    places.push_back(i);
  }
  if (others.empty()) return {};
  return store_->GetMany(others, [&](size_t index, std::optional<ByteView> bytes) {
    return sink(places[index], bytes);
  });
}

Result<std::vector<bool>> VstView::HasMany(std::span<const ObjectKey> keys) {
  std::vector<bool> has(keys.size(), false);
  if (store_ != nullptr) {
    HELIOS_TRY_ASSIGN(has, store_->HasMany(keys));
  }
  for (size_t i = 0; i < keys.size(); ++i) has[i] = has[i] || FindInMemory(keys[i]) != nullptr;
  return has;
}

Result<std::unique_ptr<ObjectBatch>> VstView::OpenBatch() { return Unsupported(); }
Result<void> VstView::ForEachKey(const KeyVisitor&) { return Unsupported(); }
Result<void> VstView::Delete(std::span<const ObjectKey>) { return Unsupported(); }
Result<uint64_t> VstView::Generation() { return Unsupported(); }
Result<StoreTotals> VstView::Totals() { return Unsupported(); }

}  // namespace helios
