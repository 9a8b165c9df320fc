#include "history/retention.h"

#include <gtest/gtest.h>

#include <set>

#include "object/testing.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::Fails;
using test::Ok;

constexpr int64_t kHour = 3600;
constexpr int64_t kDay = 24 * kHour;
constexpr int64_t kStart = 1'792'972'800;  // Monday, 2026-10-26 00:00 UTC

RecordId RecordOf(int number) { return {HashBlob("record " + std::to_string(number)).digest}; }

class RetentionTest : public ::testing::Test {
 protected:
  void Add(const std::string& line, int number, int64_t seconds) {
    Operation operation;
    operation.workspace = line;
    operation.record = RecordOf(number);
    operation.time = {kStart + seconds, 0};
    log_.push_back(operation);
    numbers_[operation.record] = number;
  }
  // The numbers of the records that stay in a line.
  std::set<int> Kept(const RetentionRules& rules, const std::string& line = "w") {
    const Result<Retention> retention = Retention::Choose(log_, rules, tags_, labels_of_);
    EXPECT_TRUE(Ok(retention));
    std::set<int> kept;
    for (const LineRecord& record : retention->records()) {
      if (record.line == line && record.IsKept()) kept.insert(numbers_.at(record.record));
    }
    for (const Operation& operation : log_) {
      if (operation.workspace != line) continue;
      EXPECT_EQ(retention->Keeps(operation), kept.contains(numbers_.at(operation.record)));
    }
    return kept;
  }

  std::vector<Operation> log_;
  std::map<RecordId, int> numbers_;
  std::multimap<RecordId, std::string> tags_;
  std::map<RecordId, std::map<std::string, std::string>> labels_;
  Retention::LabelsOf labels_of_ =
      [this](const RecordId& id) -> Result<std::map<std::string, std::string>> {
    return labels_[id];
  };
};

TEST_F(RetentionTest, WithoutRulesEverythingStays) {
  for (int i = 0; i < 5; ++i) Add("w", i, i);
  EXPECT_EQ(Kept({}), (std::set<int>{0, 1, 2, 3, 4}));
}

TEST_F(RetentionTest, TheLastOfEachLine) {
  for (int i = 0; i < 6; ++i) Add(i % 2 == 0 ? "w" : "v", i, i);
  RetentionRules rules;
  rules.last = 2;
  EXPECT_EQ(Kept(rules), (std::set<int>{2, 4}));
  EXPECT_EQ(Kept(rules, "v"), (std::set<int>{3, 5}));
}

TEST_F(RetentionTest, WhereALineStandsStaysWhateverTheRules) {
  for (int i = 0; i < 3; ++i) Add("w", i, i);
  Add("w", 0, 10);  // a restore: the line stands at an old record
  RetentionRules rules;
  rules.last = 0;
  EXPECT_EQ(Kept(rules), (std::set<int>{0}));
  // By when it was committed the old one is not among the newest.
  rules.last = 1;
  EXPECT_EQ(Kept(rules), (std::set<int>{0, 2}));
}

TEST_F(RetentionTest, ALineOfNoneHasNoHead) {
  Add("", 1, 0);
  Add("", 2, 1);
  RetentionRules rules;
  rules.last = 0;
  EXPECT_EQ(Kept(rules, ""), std::set<int>());
}

TEST_F(RetentionTest, TagsStay) {
  for (int i = 0; i < 5; ++i) Add("w", i, i);
  tags_.emplace(RecordOf(1), "v1");
  RetentionRules rules;
  rules.last = 1;
  EXPECT_EQ(Kept(rules), (std::set<int>{1, 4}));
  const Result<Retention> retention = Retention::Choose(log_, rules, tags_, labels_of_);
  EXPECT_EQ(retention->records()[1].reasons, std::vector<std::string>{"tag v1"});
  EXPECT_EQ(retention->records()[4].reasons, (std::vector<std::string>{"@", "last"}));
}

TEST_F(RetentionTest, WithinCountsFromTheNewestOfTheLine) {
  Add("w", 0, 0);
  Add("w", 1, kDay);
  Add("w", 2, 8 * kDay);
  Add("w", 3, 8 * kDay + 1);
  Add("v", 4, 1000 * kDay);
  RetentionRules rules;
  rules.within_seconds = 7 * kDay;
  EXPECT_EQ(Kept(rules), (std::set<int>{2, 3}));
  rules.within_seconds = 7 * kDay + 1;
  EXPECT_EQ(Kept(rules), (std::set<int>{1, 2, 3}));
}

TEST_F(RetentionTest, TheNewestOfEachPeriodThatHasOne) {
  int number = 0;
  // Every six hours for twenty days, but for two of them.
  for (int64_t hour = 0; hour < 20 * 24; hour += 6) {
    if (hour / 24 == 17 || hour / 24 == 18) continue;
    Add("w", number++, hour * kHour);
  }
  const int last = number - 1;
  RetentionRules rules;
  rules.daily = 3;
  EXPECT_EQ(Kept(rules), (std::set<int>{last, last - 4, last - 8}));
  rules = {};
  rules.hourly = 3;
  EXPECT_EQ(Kept(rules), (std::set<int>{last, last - 1, last - 2}));
  rules = {};
  rules.weekly = 2;
  // Day 13 is the Sunday before the week of day 19.
  EXPECT_EQ(Kept(rules), (std::set<int>{last, 13 * 4 + 3}));
  rules.weekly = 100;
  EXPECT_EQ(Kept(rules), (std::set<int>{last, 13 * 4 + 3, 6 * 4 + 3}));
}

TEST_F(RetentionTest, TimesBefore1970AreTimes) {
  Add("w", 0, -kStart - 2 * kDay - 1);
  Add("w", 1, -kStart - 2 * kDay + 1);
  Add("w", 2, -kStart - 1);
  RetentionRules rules;
  rules.daily = 5;
  EXPECT_EQ(Kept(rules), (std::set<int>{0, 1, 2}));
}

TEST_F(RetentionTest, Labels) {
  for (int i = 0; i < 4; ++i) Add("w", i, i);
  labels_[RecordOf(0)] = {{"ci", "green"}};
  labels_[RecordOf(1)] = {{"ci", "red"}, {"kind", "x"}};
  RetentionRules rules;
  rules.labels = {{"ci", std::nullopt}};
  EXPECT_EQ(Kept(rules), (std::set<int>{0, 1, 3}));
  rules.labels = {{"ci", "green"}};
  EXPECT_EQ(Kept(rules), (std::set<int>{0, 3}));
  rules.labels = {{"ci", "green"}, {"kind", std::nullopt}};
  EXPECT_EQ(Kept(rules), (std::set<int>{0, 1, 3}));
}

TEST_F(RetentionTest, RulesAddUp) {
  for (int i = 0; i < 10; ++i) Add("w", i, i * kDay);
  labels_[RecordOf(2)] = {{"k", "v"}};
  RetentionRules rules;
  rules.last = 1;
  rules.weekly = 2;
  rules.labels = {{"k", std::nullopt}};
  EXPECT_EQ(Kept(rules), (std::set<int>{2, 6, 9}));
}

TEST_F(RetentionTest, SafetySnapshotsCountAsTheirWorkspaces) {
  for (int i = 0; i < 3; ++i) Add("w", i, i);
  // Some files of record 0, which saved the work that it replaced.
  Operation partial;
  partial.kind = OperationKind::kPartialRestore;
  partial.about = "w";
  partial.record = RecordOf(0);
  partial.safety = RecordOf(7);
  partial.time = {kStart + 3, 0};
  numbers_[RecordOf(7)] = 7;
  RetentionRules rules;
  rules.last = 1;
  log_.push_back(partial);
  const Result<Retention> two = Retention::Choose(log_, rules, tags_, labels_of_);
  ASSERT_TRUE(Ok(two));
  EXPECT_TRUE(two->Keeps(partial));  // the safety snapshot is the newest
  EXPECT_TRUE(two->Keeps(log_[2]));  // where the workspace stands
  EXPECT_FALSE(two->Keeps(log_[1]));
  Add("w", 3, 4);
  const Result<Retention> one = Retention::Choose(log_, rules, tags_, labels_of_);
  ASSERT_TRUE(Ok(one));
  EXPECT_FALSE(one->Keeps(partial));
}

TEST_F(RetentionTest, AMovedTagKeepsNothing) {
  for (int i = 0; i < 3; ++i) Add("w", i, i);
  Operation moved;
  moved.kind = OperationKind::kTag;
  moved.ref = "tags/v1";
  moved.about = "w";
  moved.record = RecordOf(0);
  moved.time = {kStart + 3, 0};
  log_.push_back(moved);
  RetentionRules rules;
  rules.last = 1;
  const Result<Retention> gone = Retention::Choose(log_, rules, tags_, labels_of_);
  ASSERT_TRUE(Ok(gone));
  EXPECT_FALSE(gone->Keeps(moved));
  EXPECT_FALSE(gone->Keeps(log_[0]));
  tags_.emplace(RecordOf(0), "v1");
  const Result<Retention> tagged = Retention::Choose(log_, rules, tags_, labels_of_);
  ASSERT_TRUE(Ok(tagged));
  EXPECT_TRUE(tagged->Keeps(moved));
  EXPECT_TRUE(tagged->Keeps(log_[0]));
}

TEST_F(RetentionTest, LabelsThatCannotBeReadStopIt) {
  Add("w", 0, 0);
  labels_of_ = [](const RecordId&) -> Result<std::map<std::string, std::string>> {
    return Error(ErrorCode::kMissingObject, "gone");
  };
  RetentionRules rules;
  rules.labels = {{"k", std::nullopt}};
  EXPECT_TRUE(
      Fails(Retention::Choose(log_, rules, tags_, labels_of_), ErrorCode::kMissingObject, "gone"));
}

}  // namespace
}  // namespace helios
