#include "helios/capture_report.h"

#include <gtest/gtest.h>

namespace helios {
namespace {

TEST(IgnoreWarningsTest, KeepsTheFirstWhateverTheOrderAndSaysThatThereWereMore) {
  IgnoreWarnings rising;
  IgnoreWarnings falling;
  for (size_t i = 1; i <= IgnoreWarnings::kFirstMax; ++i) {
    rising.Add({"a", i, "text"});
    falling.Add({"a", IgnoreWarnings::kFirstMax + 1 - i, "text"});
  }
  EXPECT_EQ(rising.first, falling.first);
  EXPECT_FALSE(rising.has_more);
  falling.Add({"Z", 1, "text"});
  EXPECT_TRUE(falling.has_more);
  EXPECT_EQ(falling.first.size(), IgnoreWarnings::kFirstMax);
  EXPECT_EQ(falling.first.front().path, "Z");
  EXPECT_EQ(falling.first.back().line, IgnoreWarnings::kFirstMax - 1);
}

TEST(IgnoreWarningsTest, TheSameTwiceCountsOnce) {
  IgnoreWarnings warnings;
  for (int i = 0; i < 2; ++i) {
    for (size_t line = 1; line <= IgnoreWarnings::kFirstMax; ++line) warnings.Add({"a", line, "x"});
  }
  EXPECT_EQ(warnings.first.size(), IgnoreWarnings::kFirstMax);
  EXPECT_FALSE(warnings.has_more);
}

TEST(IgnoreWarningsTest, MergeKeepsWhatBothHave) {
  CaptureReport one;
  one.ignore_warnings.Add({"b", 1, "x"});
  CaptureReport other;
  other.ignore_warnings.Add({"a", 1, "x"});
  other.ignore_warnings.has_more = true;
  one.Merge(other);
  ASSERT_EQ(one.ignore_warnings.first.size(), 2u);
  EXPECT_EQ(one.ignore_warnings.first.front().path, "a");
  EXPECT_TRUE(one.ignore_warnings.has_more);
}

TEST(CaptureReportTest, MergeKeepsEachCauseWithItsPath) {
  CaptureReport one;
  CaptureReport other;
  for (size_t i = 0; i < Omission::kPathsMax; ++i) {
    one.Add(OmissionReason::kUnreadable, "one", "cause of one");
    other.Add(OmissionReason::kUnreadable, "other");
  }
  other.Merge(one);
  one.Merge(other);
  const Omission& omission = one[OmissionReason::kUnreadable];
  EXPECT_EQ(omission.count, 3 * Omission::kPathsMax);
  EXPECT_EQ(omission.first_paths, std::vector<std::string>(Omission::kPathsMax, "one"));
  EXPECT_EQ(omission.first_causes, std::vector<std::string>(Omission::kPathsMax, "cause of one"));
}

}  // namespace
}  // namespace helios
