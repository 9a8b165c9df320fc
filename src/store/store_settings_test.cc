#include "store/store_settings.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>

#include "store/store_root.h"
#include "store/testing.h"

namespace helios {
namespace {

using test::Fails;
using test::Ok;
using test::ReadWholeFile;
using test::TempFolder;
using test::WriteWholeFile;

class StoreSettingsTest : public ::testing::Test {
 protected:
  Result<StoreSettings> Read() const { return ReadSettings(folder_.path()); }
  Result<void> Write(Compression compression) const {
    StoreSettings settings;
    settings.compression = compression;
    return WriteSettings(folder_.path(), settings);
  }
  // A settings file of these lines, under a check that is right for them.
  void WriteLines(const std::string& lines) const {
    char check[32];
    std::snprintf(check, sizeof(check), "check: %016llx\n",
                  static_cast<unsigned long long>(Checksum64(lines)));
    WriteWholeFile(file_, lines + check);
  }

  const TempFolder folder_;
  const std::string file_ = folder_ / kSettingsFile;
};

TEST_F(StoreSettingsTest, AreTheDefaultsWithoutAFile) {
  const Result<StoreSettings> settings = Read();
  ASSERT_TRUE(Ok(settings));
  EXPECT_EQ(*settings, StoreSettings());
  EXPECT_EQ(settings->compression, Compression::kDefault);
}

TEST_F(StoreSettingsTest, GiveBackWhatWasWritten) {
  for (const Compression compression : kCompressions) {
    ASSERT_TRUE(Ok(Write(compression)));
    const Result<StoreSettings> settings = Read();
    ASSERT_TRUE(Ok(settings));
    EXPECT_EQ(settings->compression, compression);
  }
}

TEST_F(StoreSettingsTest, HaveTheBytesOfTheFormat) {
  ASSERT_TRUE(Ok(Write(Compression::kSmall)));
  EXPECT_EQ(ReadWholeFile(file_),
            "helios settings\nversion: 1\ncompression: small\ncheck: 89a5d9c8656a310d\n");
}

TEST_F(StoreSettingsTest, AnyFlippedByteOrLengthIsDamage) {
  ASSERT_TRUE(Ok(Write(Compression::kSmall)));
  const Bytes whole = ReadWholeFile(file_);
  for (size_t i = 0; i < whole.size(); ++i) {
    Bytes damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    WriteWholeFile(file_, damaged);
    EXPECT_TRUE(Fails(Read(), ErrorCode::kCorrupt, file_)) << i;
    WriteWholeFile(file_, ByteView(whole).substr(0, i));
    EXPECT_TRUE(Fails(Read(), ErrorCode::kCorrupt, file_)) << i;
  }
  WriteWholeFile(file_, whole + "\n");
  EXPECT_TRUE(Fails(Read(), ErrorCode::kCorrupt, file_));
}

TEST_F(StoreSettingsTest, UnknownVersionAndValueAreRefusedByName) {
  WriteLines("helios settings\nversion: 2\n");
  EXPECT_TRUE(Fails(Read(), ErrorCode::kUnsupported, "version \"2\""));
  WriteLines("helios settings\nversion: 1\ncompression: tiny\n");
  EXPECT_TRUE(Fails(Read(), ErrorCode::kUnsupported, "compression \"tiny\""));
}

TEST_F(StoreSettingsTest, UnknownLinesAreIgnored) {
  WriteLines("helios settings\nversion: 1\nfuture: yes\ncompression: fast\n");
  const Result<StoreSettings> settings = Read();
  ASSERT_TRUE(Ok(settings));
  EXPECT_EQ(settings->compression, Compression::kFast);
}

TEST_F(StoreSettingsTest, WhatIsNoFileOrTooLargeIsAnErrorAndNoWait) {
  WriteWholeFile(file_, Bytes(size_t{1} << 20, 'x'));
  EXPECT_FALSE(Read());
  std::filesystem::remove(file_);
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  EXPECT_FALSE(Read());
}

TEST_F(StoreSettingsTest, BelongToAStoreFromItsCreation) {
  const std::string root = folder_ / "store";
  ASSERT_TRUE(Ok(CreateStore(root, PackBackend(), Compression::kSmall)));
  const Result<StoreSettings> settings = ReadSettings(root);
  ASSERT_TRUE(Ok(settings));
  EXPECT_EQ(settings->compression, Compression::kSmall);
}

}  // namespace
}  // namespace helios
