#include "object/batch_hash.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "object/hash.h"

namespace helios {
namespace {

Bytes RandomBytes(std::mt19937& random, size_t size) {
  Bytes bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

void ExpectSameAsOneByOne(const std::vector<Bytes>& contents) {
  const std::vector<ByteView> views(contents.begin(), contents.end());
  const std::vector<BlobId> ids = HashBlobs(views);
  ASSERT_EQ(ids.size(), contents.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    ASSERT_EQ(ids[i], HashBlob(contents[i])) << i << ", " << contents[i].size() << " bytes";
  }
}

TEST(BatchHashTest, EveryLengthTwiceIsAsByItself) {
  std::mt19937 random(1);
  const Bytes bytes = RandomBytes(random, 8200);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const ByteView content = ByteView(bytes).substr(0, size);
    const std::vector<ByteView> twice{content, content};
    const std::vector<BlobId> ids(2, HashBlob(content));
    ASSERT_EQ(HashBlobs(twice), ids) << size << " bytes";
  }
}

TEST(BatchHashTest, EveryLengthAmongOthersIsAsByItself) {
  std::mt19937 random(2);
  std::vector<Bytes> contents;
  for (size_t size = 0; size <= 8200; ++size) {
    contents.push_back(RandomBytes(random, size));
    if (contents.size() < 1 + random() % 70) continue;
    ExpectSameAsOneByOne(contents);
    contents.clear();
  }
}

TEST(BatchHashTest, AnyNumberOfEqualLengthsIsAsOneByOne) {
  std::mt19937 random(3);
  for (size_t count = 0; count <= 70; ++count) {
    for (const size_t size : {0, 63, 361, 1024, 2048, 5000}) {
      std::vector<Bytes> contents;
      while (contents.size() < count) contents.push_back(RandomBytes(random, size));
      ExpectSameAsOneByOne(contents);
    }
  }
}

TEST(BatchHashTest, LargeInputsMayBeAmongSmallOnes) {
  std::mt19937 random(4);
  std::vector<Bytes> contents;
  for (const size_t size : {100, 16384, 16385, 300'000, 0, 16000}) {
    contents.push_back(RandomBytes(random, size));
  }
  ExpectSameAsOneByOne(contents);
}

RC_GTEST_PROP(BatchHashProperty, BatchesAreAsOneByOne, (const std::vector<uint16_t>& sizes)) {
  std::mt19937 random(static_cast<unsigned>(sizes.size()));
  std::vector<Bytes> contents;
  for (const uint16_t size : sizes) contents.push_back(RandomBytes(random, size % 8200));
  ExpectSameAsOneByOne(contents);
}

TEST(BatchHashTest, PiecewiseIsTheHashOfTheWholeForEveryKindAndLength) {
  std::mt19937 random(5);
  const Bytes bytes = RandomBytes(random, 150'000);
  for (size_t size = 0; size <= bytes.size(); size += 1 + size / 9) {
    const ByteView part = ByteView(bytes).substr(0, size);
    for (const ObjectKind kind : {ObjectKind::kBlob, ObjectKind::kTree}) {
      ASSERT_EQ(HashPiecewise(kind, part).digest, HashObject(kind, part)) << size << " bytes";
    }
  }
}

// Bytes are changed, inserted and cut off again and again; pieces are handed from one to the next.
TEST(BatchHashTest, PiecesOfAnEarlierVersionDoNotChangeTheHash) {
  std::mt19937 random(6);
  Bytes bytes = RandomBytes(random, 6000);
  PiecewiseHash hash = HashPiecewise(ObjectKind::kTree, bytes);
  for (int round = 0; round < 2000; ++round) {
    Bytes changed = bytes;
    const size_t at = random() % (bytes.size() + 1);
    switch (random() % 8) {
      case 0:
        changed.resize(at);
        break;
      case 1:
        changed.insert(at, RandomBytes(random, random() % 3000));
        break;
      default:
        changed.replace(at, 40, RandomBytes(random, 40));
    }
    if (changed.size() > 20'000) changed.resize(random() % 3000);
    hash = HashPiecewise(ObjectKind::kTree, changed, bytes, hash.pieces);
    bytes = std::move(changed);
    ASSERT_EQ(hash.digest, HashObject(ObjectKind::kTree, bytes)) << "round " << round;
  }
}

}  // namespace
}  // namespace helios
