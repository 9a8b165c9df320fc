#include "store/store_epoch.h"

#include <gtest/gtest.h>

#include "store/testing.h"

namespace helios {
namespace {

using test::Ok;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

class StoreEpochTest : public ::testing::Test {
 protected:
  StoreEpoch Read() const {
    const Result<StoreEpoch> epoch = ReadEpoch(path_);
    EXPECT_TRUE(Ok(epoch));
    return epoch ? *epoch : StoreEpoch{};
  }
  const TempFolder folder_;
  const std::string path_ = folder_ / "epoch";
};

TEST_F(StoreEpochTest, IsZeroWhereNothingWasCollected) {
  EXPECT_EQ(Read(), StoreEpoch());
  WriteWholeFile(path_, "");
  EXPECT_EQ(Read(), StoreEpoch());
  WriteWholeFile(path_, EncodeEpoch({}));
  EXPECT_EQ(Read(), StoreEpoch());
}

TEST_F(StoreEpochTest, GivesBackWhatWasWritten) {
  ASSERT_TRUE(Ok(WriteEpoch(path_, {7, 3, true})));
  EXPECT_EQ(Read(), (StoreEpoch{7, 3, true}));
  ASSERT_TRUE(Ok(WriteEpoch(path_, {8, 3, true})));
  EXPECT_EQ(Read(), (StoreEpoch{8, 3, true}));
}

TEST_F(StoreEpochTest, HasTheBytesOfTheFormat) {
  const Bytes bytes = EncodeEpoch({258, 1, true});
  EXPECT_EQ(bytes.substr(0, 24), Bytes("HELIOSEP\x02\x01\0\0\0\0\0\0\x01\0\0\0\0\0\0\0", 24));
  EXPECT_EQ(bytes.size(), 32u);
}

TEST_F(StoreEpochTest, DamageIsNoNumber) {
  const Bytes whole = EncodeEpoch({258, 1, true});
  for (size_t i = 0; i < whole.size(); ++i) {
    Bytes damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    WriteWholeFile(path_, damaged);
    EXPECT_FALSE(Read().is_known) << i;
    WriteWholeFile(path_, whole.substr(0, i));
    EXPECT_EQ(Read().is_known, i == 0) << i;
  }
  WriteWholeFile(path_, whole + "x");
  EXPECT_FALSE(Read().is_known);
  EXPECT_GT(NextEpoch(0, false), uint64_t{1} << 40) << "one that was never counted up to";
}

}  // namespace
}  // namespace helios
