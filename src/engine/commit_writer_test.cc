#include "engine/commit_writer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <new>
#include <string>
#include <thread>

#include "store/memory/memory_store.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::ExpectHoldsAll;
using test::Fails;
using test::MakeBlob;
using test::MakeBlobs;
using test::MakeObject;
using test::Ok;

// A store that counts what is put, whatever it had already.
class RecordingStore : public MemoryStore {
 public:
  Result<std::unique_ptr<ObjectBatch>> OpenBatch() override {
    ++batches_;
    HELIOS_TRY_ASSIGN(std::unique_ptr<ObjectBatch> inner, MemoryStore::OpenBatch());
    return std::unique_ptr<ObjectBatch>(std::make_unique<Batch>(this, std::move(inner)));
  }
  int batches() const { return batches_; }
  int puts() const { return puts_; }
  // From now on a put lasts until so many have begun, or for a minute.
  void AwaitPuts(int count) { awaited_ = count; }
  // From now on a put fails, or throws.
  void FailPut(bool by_exception) { (by_exception ? put_throws_ : put_fails_) = true; }
  void FailPublish() { publish_fails_ = true; }

 private:
  void AwaitOthers() const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (puts_ < awaited_ && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
  }
  class Batch : public ObjectBatch {
   public:
    Batch(RecordingStore* store, std::unique_ptr<ObjectBatch> inner)
        : store_(store), inner_(std::move(inner)) {}
    Result<void> Put(const ObjectKey& key, ByteView bytes) override {
      ++store_->puts_;
      store_->AwaitOthers();
      if (store_->put_throws_.exchange(false)) throw std::bad_alloc();
      if (store_->put_fails_.exchange(false)) return Error(ErrorCode::kNoSpace, "a full disk");
      return inner_->Put(key, bytes);
    }
    Result<void> Publish() override {
      if (store_->publish_fails_) return Error(ErrorCode::kNoSpace, "the disk is full");
      return inner_->Publish();
    }

   private:
    RecordingStore* store_;
    std::unique_ptr<ObjectBatch> inner_;
  };

  std::atomic<int> batches_{0};
  std::atomic<int> puts_{0};
  std::atomic<int> awaited_{0};
  std::atomic<bool> put_fails_{false};
  std::atomic<bool> put_throws_{false};
  std::atomic<bool> publish_fails_{false};
};

class CommitWriterTest : public ::testing::Test {
 protected:
  CommitWriter::StoreOpener Opener() {
    return [this]() -> Result<ObjectStore*> {
      ++opens_;
      return &store_;
    };
  }
  static Result<void> PutAll(CommitWriter& writer, unsigned worker,
                             const std::vector<Object>& objects) {
    for (const Object& object : objects) HELIOS_TRY(writer.Put(worker, object.key, object.bytes));
    return {};
  }
  static void ExpectCounts(const CommitWriter& writer, uint64_t new_objects, uint64_t new_bytes,
                           uint64_t reused_objects, uint64_t reused_bytes) {
    EXPECT_EQ(writer.new_objects(), new_objects);
    EXPECT_EQ(writer.new_bytes(), new_bytes);
    EXPECT_EQ(writer.reused_objects(), reused_objects);
    EXPECT_EQ(writer.reused_bytes(), reused_bytes);
  }

  RecordingStore store_;
  std::atomic<int> opens_{0};
};

TEST_F(CommitWriterTest, NothingPutNeverTouchesTheStore) {
  CommitWriter writer(Opener(), 4);
  EXPECT_TRUE(Ok(writer.Publish()));
  EXPECT_EQ(opens_, 0);
  EXPECT_EQ(store_.batches(), 0);
  ExpectCounts(writer, 0, 0, 0, 0);
}

TEST_F(CommitWriterTest, ObjectsAppearWithPublish) {
  const std::vector<Object> objects = MakeBlobs(10, 1, 100);
  CommitWriter writer(Opener(), 1);
  ASSERT_TRUE(Ok(PutAll(writer, 0, objects)));
  ExpectCounts(writer, 10, 1000, 0, 0);
  EXPECT_FALSE(ExpectHoldsAll(store_, {objects[0]}));
  ASSERT_TRUE(Ok(writer.Publish()));
  EXPECT_TRUE(Ok(ExpectHoldsAll(store_, objects)));
  EXPECT_EQ(store_.batches(), 1);
}

TEST_F(CommitWriterTest, UnpublishedLeavesNoTrace) {
  {
    CommitWriter writer(Opener(), 2);
    ASSERT_TRUE(Ok(PutAll(writer, 0, MakeBlobs(10, 1))));
    ASSERT_TRUE(Ok(PutAll(writer, 1, MakeBlobs(10, 2))));
  }
  EXPECT_EQ(store_.Totals()->objects, 0u);
}

TEST_F(CommitWriterTest, SameObjectIsPutOnce) {
  const Object object = MakeBlob(Bytes(500, 'x'));
  CommitWriter writer(Opener(), 2);
  ASSERT_TRUE(Ok(writer.Put(0, object.key, object.bytes)));
  ASSERT_TRUE(Ok(writer.Put(1, object.key, object.bytes)));
  ASSERT_TRUE(Ok(writer.Put(0, object.key, object.bytes)));
  ExpectCounts(writer, 1, 500, 2, 1000);
  ASSERT_TRUE(Ok(writer.Publish()));
  EXPECT_EQ(store_.puts(), 1);
  EXPECT_TRUE(Ok(ExpectHoldsAll(store_, {object})));
}

TEST_F(CommitWriterTest, SameDigestOfTwoKindsIsPutTwice) {
  const Object blob = MakeBlob("bytes");
  const ObjectKey tree(ObjectKind::kTree, blob.key.digest);
  CommitWriter writer(Opener(), 1);
  ASSERT_TRUE(Ok(writer.Put(0, blob.key, blob.bytes)));
  ASSERT_TRUE(Ok(writer.Put(0, tree, "tree")));
  ExpectCounts(writer, 2, 9, 0, 0);
}

TEST_F(CommitWriterTest, PutsOnlyWhatTheStoreLacks) {
  const std::vector<Object> old = MakeBlobs(6, 1, 100);
  ASSERT_TRUE(Ok(store_.PutMany(old)));
  const int puts_before = store_.puts();
  const int batches_before = store_.batches();
  CommitWriter writer(Opener(), 1);
  ASSERT_TRUE(Ok(PutAll(writer, 0, old)));
  ExpectCounts(writer, 0, 0, 6, 600);
  ASSERT_TRUE(Ok(writer.Publish()));
  EXPECT_EQ(store_.puts(), puts_before);
  EXPECT_EQ(store_.batches(), batches_before);  // no batch for nothing

  CommitWriter second(Opener(), 1);
  ASSERT_TRUE(Ok(PutAll(second, 0, old)));
  ASSERT_TRUE(Ok(PutAll(second, 0, MakeBlobs(3, 2, 50))));
  ExpectCounts(second, 3, 150, 6, 600);
  EXPECT_EQ(store_.puts(), puts_before + 3);
}

TEST_F(CommitWriterTest, WorkersThatTakeTurnsFillOneBatch) {
  CommitWriter writer(Opener(), 4);
  for (const unsigned worker : {3u, 0u, 1u, 3u}) {
    ASSERT_TRUE(Ok(PutAll(writer, worker, MakeBlobs(5, worker))));
  }
  EXPECT_EQ(store_.batches(), 1);
  ASSERT_TRUE(Ok(writer.Publish()));
  for (const unsigned worker : {0u, 1u, 3u}) {
    EXPECT_TRUE(Ok(ExpectHoldsAll(store_, MakeBlobs(5, worker))));
  }
}

TEST_F(CommitWriterTest, WorkersThatPutAtTheSameTimeFillBatchesOfTheirOwn) {
  constexpr unsigned kWorkers = 4;
  CommitWriter writer(Opener(), kWorkers);
  store_.AwaitPuts(kWorkers);
  std::vector<std::thread> threads;
  for (unsigned worker = 0; worker < kWorkers; ++worker) {
    threads.emplace_back(
        [&, worker] { EXPECT_TRUE(Ok(PutAll(writer, worker, MakeBlobs(5, worker)))); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store_.batches(), int{kWorkers});
  // Whoever has one goes on with it, idle or not.
  for (unsigned worker = 0; worker < kWorkers; ++worker) {
    ASSERT_TRUE(Ok(PutAll(writer, worker, MakeBlobs(5, kWorkers + worker))));
  }
  EXPECT_EQ(store_.batches(), int{kWorkers});
  ASSERT_TRUE(Ok(writer.Publish()));
  for (unsigned seed = 0; seed < 2 * kWorkers; ++seed) {
    EXPECT_TRUE(Ok(ExpectHoldsAll(store_, MakeBlobs(5, seed))));
  }
}

TEST_F(CommitWriterTest, CountsExactlyFromManyThreads) {
  constexpr unsigned kWorkers = 8;
  // All workers meet the same 200 objects, each in an order of its own.
  const std::vector<Object> objects = MakeBlobs(200, 1, 100);
  CommitWriter writer(Opener(), kWorkers);
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (unsigned worker = 0; worker < kWorkers; ++worker) {
    threads.emplace_back([&, worker] {
      for (size_t i = 0; i < objects.size(); ++i) {
        const Object& object = objects[(i * 7 + worker * 25) % objects.size()];
        if (!writer.Put(worker, object.key, object.bytes)) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  ExpectCounts(writer, 200, 20'000, 200 * 7, 200 * 7 * 100);
  EXPECT_EQ(store_.puts(), 200);
  ASSERT_TRUE(Ok(writer.Publish()));
  EXPECT_TRUE(Ok(ExpectHoldsAll(store_, objects)));
}

TEST_F(CommitWriterTest, ErrorOfOpeningIsReturned) {
  CommitWriter writer(
      []() -> Result<ObjectStore*> { return Error(ErrorCode::kBusy, "someone holds the store"); },
      1);
  const Object object = MakeBlob("x");
  EXPECT_TRUE(
      Fails(writer.Put(0, object.key, object.bytes), ErrorCode::kBusy, "someone holds the store"));
}

TEST_F(CommitWriterTest, ErrorOfPuttingIsReturned) {
  CommitWriter writer(Opener(), 1);
  const Object object = MakeBlob(Bytes(kObjectBytesMax + 1, 'x'));
  EXPECT_TRUE(
      Fails(writer.Put(0, object.key, object.bytes), ErrorCode::kInvalidArgument, "larger"));
}

// Nobody knows what a batch holds in which a put was not finished, whoever shares it.
TEST_F(CommitWriterTest, NothingIsPublishedAfterAPutThatFailed) {
  const std::vector<Object> objects = MakeBlobs(3, 1);
  for (const bool by_exception : {false, true}) {
    CommitWriter writer(Opener(), 2);
    ASSERT_TRUE(Ok(writer.Put(0, objects[0].key, objects[0].bytes)));
    store_.FailPut(by_exception);
    const auto put = [&](const Object& object) { return writer.Put(1, object.key, object.bytes); };
    if (by_exception) {
      EXPECT_THROW((void)put(objects[1]), std::bad_alloc);
    } else {
      EXPECT_TRUE(Fails(put(objects[1]), ErrorCode::kNoSpace, "a full disk"));
    }
    const ErrorCode code = by_exception ? ErrorCode::kFailed : ErrorCode::kNoSpace;
    const char* const what = by_exception ? "memory" : "a full disk";
    EXPECT_TRUE(Fails(put(objects[2]), code, what));
    EXPECT_TRUE(Fails(writer.Publish(), code, what));
  }
  EXPECT_EQ(store_.Totals()->objects, 0u);
}

TEST_F(CommitWriterTest, ErrorOfPublishingIsReturned) {
  CommitWriter writer(Opener(), 3);
  ASSERT_TRUE(Ok(PutAll(writer, 2, MakeBlobs(5, 1))));
  store_.FailPublish();
  EXPECT_TRUE(Fails(writer.Publish(), ErrorCode::kNoSpace, "the disk is full"));
}

}  // namespace
}  // namespace helios
