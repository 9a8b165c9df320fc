#include "store/lease_table.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "store/testing.h"

namespace helios {
namespace {

using test::Fails;
using test::MakeBlob;
using test::MakeObject;
using test::Ok;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

ObjectKey KeyOf(const std::string& text) { return MakeObject(ObjectKind::kRecord, text).key; }

class LeaseTableTest : public ::testing::Test {
 protected:
  LeaseTableTest() { WriteWholeFile(path_, EmptyLeaseTable()); }
  std::vector<ObjectKey> Held() const {
    const Result<std::vector<ObjectKey>> held = LeaseTable::Held(path_);
    EXPECT_TRUE(Ok(held));
    return held ? *held : std::vector<ObjectKey>();
  }
  const TempFolder folder_;
  const std::string path_ = folder_ / "leases";
};

TEST_F(LeaseTableTest, HoldsAKeyAsLongAsALeaseLives) {
  LeaseTable table(path_);
  std::shared_ptr<const Lease> lease = table.Take(KeyOf("one")).value();
  EXPECT_EQ(Held(), std::vector<ObjectKey>{KeyOf("one")});
  std::shared_ptr<const Lease> copy = lease;
  lease.reset();
  EXPECT_EQ(Held().size(), 1u);
  EXPECT_EQ(table.Find(KeyOf("one")), copy);
  copy.reset();
  EXPECT_TRUE(Held().empty());
  EXPECT_EQ(table.Find(KeyOf("one")), nullptr);
}

TEST_F(LeaseTableTest, HasTheBytesOfTheFormat) {
  LeaseTable table(path_);
  const auto lease = table.Take(KeyOf("one")).value();
  const Bytes file = ReadWholeFile(path_);
  EXPECT_EQ(file.size(), 64u * 48);
  Bytes slot(8, '\0');
  slot[0] = 5;
  slot += KeyOf("one").digest.view();
  const uint64_t check = Checksum64(slot);
  slot.append(reinterpret_cast<const char*>(&check), sizeof(check));
  EXPECT_EQ(file.substr(0, 48), slot);
}

TEST_F(LeaseTableTest, ManyTablesAndKeysHaveSlotsOfTheirOwn) {
  std::vector<std::unique_ptr<LeaseTable>> tables;
  std::vector<std::shared_ptr<const Lease>> leases;
  std::set<ObjectKey> keys;
  for (int t = 0; t < 5; ++t) {
    tables.push_back(std::make_unique<LeaseTable>(path_));
    for (int i = 0; i < 40; ++i) {
      const ObjectKey key = KeyOf(std::to_string(t) + "/" + std::to_string(i));
      leases.push_back(tables.back()->Take(key).value());
      keys.insert(key);
    }
  }
  std::vector<ObjectKey> held = Held();
  EXPECT_EQ(std::set<ObjectKey>(held.begin(), held.end()), keys);
  // A table's leases outlive it.
  tables.clear();
  EXPECT_EQ(Held().size(), keys.size());
  leases.resize(60);
  EXPECT_EQ(Held().size(), 60u);
  // Slots that were given back are taken again.
  LeaseTable table(path_);
  leases.push_back(table.Take(KeyOf("again")).value());
  EXPECT_EQ(Held().size(), 61u);
}

TEST_F(LeaseTableTest, OneKeyTakesOneSlotOfATable) {
  LeaseTable table(path_);
  const auto first = table.Take(KeyOf("one")).value();
  EXPECT_EQ(table.Take(KeyOf("one")).value(), first);
  LeaseTable other(path_);
  const auto second = other.Take(KeyOf("one")).value();
  EXPECT_EQ(Held().size(), 2u);
}

TEST_F(LeaseTableTest, AHeldSlotThatSaysNothingIsDamage) {
  LeaseTable table(path_);
  const auto lease = table.Take(KeyOf("one")).value();
  Bytes bytes = ReadWholeFile(path_);
  bytes[20] = static_cast<char>(bytes[20] ^ 1);
  const Result<Fd> fd = OpenAt(AT_FDCWD, path_, O_WRONLY);
  ASSERT_TRUE(Ok(fd));
  ASSERT_TRUE(Ok(WriteAllAt(fd->get(), bytes, 0, path_)));
  EXPECT_TRUE(Fails(LeaseTable::Held(path_), ErrorCode::kCorrupt, "slot 0"));
}

TEST_F(LeaseTableTest, WhatNobodyHoldsIsNothingWhateverItSays) {
  WriteWholeFile(path_, test::RandomBytes(48 * 10 + 7, 1));
  EXPECT_TRUE(Held().empty());
  std::filesystem::remove(path_);
  EXPECT_TRUE(Held().empty());
}

TEST_F(LeaseTableTest, ATableThatMayNotBeWrittenGivesNoLease) {
  if (::geteuid() == 0) GTEST_SKIP() << "may write everything";
  ASSERT_EQ(::chmod(path_.c_str(), 0400), 0);
  LeaseTable table(path_);
  EXPECT_FALSE(table.Take(KeyOf("one")));
}

}  // namespace
}  // namespace helios
