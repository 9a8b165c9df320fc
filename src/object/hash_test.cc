#include "object/hash.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <set>
#include <string>
#include <vector>

namespace helios {
namespace {

constexpr std::array kKinds = {ObjectKind::kBlob, ObjectKind::kManifest, ObjectKind::kTree,
                               ObjectKind::kAttributes, ObjectKind::kRecord};

// The input of BLAKE3's published test vectors (test_vectors.json): 0, 1, …, 250, 0, 1, …
Bytes VectorInput(size_t size) {
  Bytes bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i % 251);
  return bytes;
}

TEST(HashTest, BlobIdsArePlainBlake3) {
  EXPECT_EQ(HashBlob("").digest.ToHex(),
            "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  EXPECT_EQ(HashBlob("abc").digest.ToHex(),
            "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
}

TEST(HashTest, BlobIdsAreThePublishedVectors) {
  EXPECT_EQ(HashBlob(VectorInput(1)).digest.ToHex(),
            "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213");
  EXPECT_EQ(HashBlob(VectorInput(1024)).digest.ToHex(),
            "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7");
  EXPECT_EQ(HashBlob(VectorInput(1025)).digest.ToHex(),
            "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444");
  EXPECT_EQ(HashBlob(VectorInput(31744)).digest.ToHex(),
            "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47");
}

// Made with an implementation of BLAKE3's specification that is not the one linked here. They
// freeze the context strings.
TEST(HashTest, OtherIdsAreBlake3WithTheContextOfTheirKind) {
  EXPECT_EQ(HashObject(ObjectKind::kManifest, "").ToHex(),
            "db70723ade75b70717fa1af43033e4e0e6f321a34055cda3f08d2bcf396d30ee");
  EXPECT_EQ(HashObject(ObjectKind::kTree, "").ToHex(),
            "821b5a6eaa4bdfb23ecdf246166ae25b7504a8e645727c11bdb1f19e8f76ac43");
  EXPECT_EQ(HashObject(ObjectKind::kAttributes, "").ToHex(),
            "18da5e14fb797078b723b56e2ec7aa4ab22b225d5c52b5c039951f956fc95b12");
  EXPECT_EQ(HashObject(ObjectKind::kRecord, "").ToHex(),
            "a15070562437f5785f7021f061081354fab717c933b1e059a42bcd8db9e6693e");
  EXPECT_EQ(HashObject(ObjectKind::kManifest, "abc").ToHex(),
            "06fe9f26381f2506f5f9d8defa08734c8445652f46ed719e49d2239b86de4151");
  EXPECT_EQ(HashObject(ObjectKind::kTree, "abc").ToHex(),
            "3c51e5c7652e98158f3a525a1e9b9979434c1db4e8409912c7dcbcabd98d5aa0");
  EXPECT_EQ(HashObject(ObjectKind::kAttributes, "abc").ToHex(),
            "e9b63449e551556f72db87c3db5a98e5c856527ef9a9165cdc7eea223509d848");
  EXPECT_EQ(HashObject(ObjectKind::kRecord, "abc").ToHex(),
            "6bf14c929b999177d4cea3adc6f038a316390fd3cd76e86c579c14919183205c");
}

TEST(HashTest, ChecksumIsTheFrontOfPlainBlake3) {
  EXPECT_EQ(Checksum64(""), 0xa6a1f9f5b94913af);
  EXPECT_EQ(Checksum64("abc"), 0x33514638acb33764);
}

TEST(HashTest, MayGoOnAfterFinish) {
  Hasher hasher(ObjectKind::kTree);
  hasher.Update("a");
  EXPECT_EQ(hasher.Finish(), HashObject(ObjectKind::kTree, "a"));
  hasher.Update("bc");
  EXPECT_EQ(hasher.Finish(), HashObject(ObjectKind::kTree, "abc"));
}

RC_GTEST_PROP(HashProperty, KindsGiveDifferentIdsForTheSameBytes, (const std::string& bytes)) {
  std::set<Digest> ids;
  for (const ObjectKind kind : kKinds) ids.insert(HashObject(kind, bytes));
  RC_ASSERT(ids.size() == kKinds.size());
}

RC_GTEST_PROP(HashProperty, PiecesGiveTheIdOfTheWhole, (const std::vector<std::string>& pieces)) {
  for (const ObjectKind kind : kKinds) {
    Hasher hasher(kind);
    Bytes whole;
    for (const std::string& piece : pieces) {
      hasher.Update(piece);
      whole += piece;
    }
    RC_ASSERT(hasher.Finish() == HashObject(kind, whole));
  }
}

}  // namespace
}  // namespace helios
