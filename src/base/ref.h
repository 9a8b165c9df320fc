// Intrusive reference counting, for nodes that many trees share.
#ifndef HELIOS_BASE_REF_H_
#define HELIOS_BASE_REF_H_

#include <atomic>
#include <cstdint>
#include <utility>

namespace helios {

// A base for objects that are shared among threads and freed with their last Ref.
class RefCounted {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;
  virtual ~RefCounted() = default;

  void AddRef() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void Release() const {
    // Whoever has the only Ref need not count down: nobody else can get one meanwhile.
    if (IsUnique() || references_.fetch_sub(1, std::memory_order_acq_rel) == 1) Destroy(this);
  }
  // True if nobody but the caller has a Ref: then nobody else can get one.
  bool IsUnique() const { return references_.load(std::memory_order_acquire) == 1; }

 protected:
  RefCounted() = default;

 private:
  // What an object holds is freed after it, not within its destructor: a chain of nodes may be
  // longer than the stack is deep.
  static void Destroy(const RefCounted* object);

  mutable std::atomic<uint32_t> references_ = 0;
  mutable const RefCounted* next_to_destroy_ = nullptr;
};

inline void RefCounted::Destroy(const RefCounted* object) {
  struct Pending {
    const RefCounted* first = nullptr;
    bool is_destroying = false;
  };
  thread_local Pending pending;
  object->next_to_destroy_ = std::exchange(pending.first, object);
  if (pending.is_destroying) return;
  pending.is_destroying = true;
  while (pending.first != nullptr) {
    const RefCounted* next = pending.first;
    pending.first = next->next_to_destroy_;
    delete next;  // NOLINT: what it releases comes to the front of the list
  }
  pending.is_destroying = false;
}

// Keeps an object alive. Null or valid.
template <typename T>
class Ref {
 public:
  Ref() = default;
  Ref(T* object) : object_(object) {  // NOLINT: implicit
    if (object_ != nullptr) object_->AddRef();
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <typename U>
  Ref(const Ref<U>& other) : Ref(other.get()) {}  // NOLINT: implicit
  template <typename U>
  Ref(Ref<U>&& other) noexcept : object_(other.Take()) {}  // NOLINT: implicit
  ~Ref() {
    if (object_ != nullptr) object_->Release();
  }
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  // The object with its count of this Ref, which is null afterwards.
  [[nodiscard]] T* Take() { return std::exchange(object_, nullptr); }

 private:
  T* object_ = nullptr;
};

// A place for a Ref that is filled at most once, by whoever comes first, and read without a lock.
template <typename T>
class RefSlot {
 public:
  RefSlot() = default;
  RefSlot(const RefSlot&) = delete;
  RefSlot& operator=(const RefSlot&) = delete;
  ~RefSlot() {
    if (T* object = object_.load(std::memory_order_relaxed)) object->Release();
  }

  T* get() const { return object_.load(std::memory_order_acquire); }
  // Fills an empty slot that no other thread knows of yet.
  void Init(T* object) {
    if (object != nullptr) object->AddRef();
    object_.store(object, std::memory_order_relaxed);
  }
  // What the slot holds afterwards: `object`, or what another thread put there before.
  T* Fill(const Ref<T>& object) {
    T* expected = nullptr;
    object->AddRef();
    if (object_.compare_exchange_strong(expected, object.get(), std::memory_order_acq_rel)) {
      return object.get();
    }
    object->Release();
    return expected;
  }

 private:
  std::atomic<T*> object_ = nullptr;
};

}  // namespace helios

#endif  // HELIOS_BASE_REF_H_
