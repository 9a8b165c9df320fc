// Damaged packs: right bytes or a named error, and nothing else hidden.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>

#include "base/codec.h"
#include "store/decorators.h"
#include "store/pack/pack_store.h"
#include "store/testing.h"

namespace helios::pack {
namespace {

using test::ExpectHolds;
using test::ExpectHoldsAll;
using test::Fails;
using test::KeysOf;
using test::MakeBlob;
using test::MakeBlobs;
using test::MakeObject;
using test::Ok;
using test::OpenPacks;
using test::PacksIn;
using test::RandomBytes;
using test::ReadWholeFile;
using test::TempFolder;
using test::TextBytes;
using test::WriteWholeFile;

// Where the structures of a pack lie.
struct Anatomy {
  explicit Anatomy(const Bytes& file) {
    footer_at = file.size() - sizeof(PackFooter);
    footer = LoadLittleEndian<PackFooter>(file.data() + footer_at);
    frames_at = static_cast<size_t>(footer.index_offset);
    buckets_at = frames_at + footer.frame_count * sizeof(FrameRef);
    entries_at = buckets_at + (sizeof(BucketRef) << footer.bucket_bits);
    for (uint32_t i = 0; i < footer.frame_count; ++i) {
      const auto ref = LoadLittleEndian<FrameRef>(file.data() + frames_at + i * sizeof(FrameRef));
      const auto at = static_cast<size_t>(ref.offset);
      const auto header = LoadLittleEndian<FrameHeader>(file.data() + at);
      const bool is_stored = header.encoding == static_cast<uint8_t>(Encoding::kStored);
      (is_stored ? stored_at : zstd_at) = at;
      (is_stored ? stored_payload_at : zstd_payload_at) =
          at + sizeof(FrameHeader) + header.member_count * sizeof(Member);
      (is_stored ? stored_payload : zstd_payload) = header.payload_length;
    }
  }
  PackFooter footer{};
  size_t footer_at, frames_at, buckets_at, entries_at;
  // The last frame of each encoding.
  size_t stored_at = 0, zstd_at = 0;
  size_t stored_payload_at = 0, zstd_payload_at = 0;
  size_t stored_payload = 0, zstd_payload = 0;
};

// One way to damage a pack.
struct Damage {
  std::string name;
  // Damages the pack file at `path`, whose bytes these were.
  std::function<void(const std::string& path, const Bytes& file, const Anatomy& anatomy)> inflict;
  // Nobody may notice: what was hit says nothing.
  bool is_harmless = false;
};
void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

Damage Flip(const std::string& where, std::function<size_t(const Anatomy&)> position,
            bool is_harmless = false) {
  return {"FlippedByteIn" + where,
          [=](const std::string& path, const Bytes& file, const Anatomy& anatomy) {
            Bytes damaged = file;
            const size_t at = position(anatomy);
            damaged.at(at) = static_cast<char>(damaged.at(at) ^ 0xff);
            WriteWholeFile(path, damaged);
          },
          is_harmless};
}

Damage ZeroPage(const std::string& where, std::function<size_t(const Anatomy&)> position) {
  return {"ZeroedPageIn" + where,
          [=](const std::string& path, const Bytes& file, const Anatomy& anatomy) {
            Bytes damaged = file;
            const size_t page = position(anatomy) & ~size_t{4095};
            const size_t size = std::min<size_t>(4096, damaged.size() - page);
            damaged.replace(page, size, size, '\0');
            WriteWholeFile(path, damaged);
          }};
}

Damage Truncate(size_t sixteenths) {
  return {"TruncatedAt" + std::to_string(sixteenths) + "Of16",
          [=](const std::string& path, const Bytes& file, const Anatomy&) {
            WriteWholeFile(path, ByteView(file).substr(0, file.size() * sixteenths / 16));
          }};
}

Damage Replace(const std::string& by, std::function<void(const std::string& path)> make) {
  return {"ReplacedBy" + by, [=](const std::string& path, const Bytes&, const Anatomy&) {
            ASSERT_EQ(::unlink(path.c_str()), 0);
            make(path);
          }};
}

#define HELIOS_AT(base, field) [](const Anatomy& a) { return a.base + (field); }

std::vector<Damage> AllDamages() {
  std::vector<Damage> damages{
      {"EmptyFile",
       [](const std::string& path, const Bytes&, const Anatomy&) { WriteWholeFile(path, ""); }},
      {"LastByteMissing",
       [](const std::string& path, const Bytes& file, const Anatomy&) {
         WriteWholeFile(path, ByteView(file).substr(0, file.size() - 1));
       }},
      {"BytesBehindTheEnd", [](const std::string& path, const Bytes& file,
                               const Anatomy&) { WriteWholeFile(path, file + "more"); }},
      Replace("AFolder",
              [](const std::string& path) { ASSERT_EQ(::mkdir(path.c_str(), 0700), 0); }),
      Replace("AFifo", [](const std::string& path) { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); }),
      Replace("ADanglingSymlink",
              [](const std::string& path) { ASSERT_EQ(::symlink("nowhere", path.c_str()), 0); }),
      Replace("ASymlinkToItself",
              [](const std::string& path) { ASSERT_EQ(::symlink(path.c_str(), path.c_str()), 0); }),
      Replace("ASymlinkToAnEndlessFile",
              [](const std::string& path) { ASSERT_EQ(::symlink("/dev/zero", path.c_str()), 0); }),

      Flip("HeaderMagic", [](const Anatomy&) { return offsetof(PackHeader, magic); }),
      Flip("HeaderVersion", [](const Anatomy&) { return offsetof(PackHeader, version); }),
      Flip(
          "HeaderOptimized", [](const Anatomy&) { return offsetof(PackHeader, optimized); }, true),
      Flip("FrameMagic", HELIOS_AT(zstd_at, offsetof(FrameHeader, magic))),
      Flip("FrameEncoding", HELIOS_AT(zstd_at, offsetof(FrameHeader, encoding))),
      Flip("StoredFrameEncoding", HELIOS_AT(stored_at, offsetof(FrameHeader, encoding))),
      Flip("FrameMemberCount", HELIOS_AT(zstd_at, offsetof(FrameHeader, member_count))),
      Flip("FrameMemberCountHighByte", HELIOS_AT(zstd_at, offsetof(FrameHeader, member_count) + 3)),
      Flip("FrameRawLength", HELIOS_AT(zstd_at, offsetof(FrameHeader, raw_length))),
      Flip("FrameRawLengthHighByte", HELIOS_AT(zstd_at, offsetof(FrameHeader, raw_length) + 3)),
      Flip("FramePayloadLength", HELIOS_AT(zstd_at, offsetof(FrameHeader, payload_length))),
      Flip("FrameCheck", HELIOS_AT(zstd_at, offsetof(FrameHeader, check))),
      Flip("MemberLength", HELIOS_AT(zstd_at, sizeof(FrameHeader) + offsetof(Member, length))),
      Flip("MemberKind", HELIOS_AT(zstd_at, sizeof(FrameHeader) + offsetof(Member, kind))),
      Flip("ZstdPayload", HELIOS_AT(zstd_payload_at, a.zstd_payload / 2)),
      Flip("ZstdPayloadFirstByte", HELIOS_AT(zstd_payload_at, 0)),
      Flip("ZstdPayloadLastByte", HELIOS_AT(zstd_payload_at, a.zstd_payload - 1)),
      Flip("StoredPayload", HELIOS_AT(stored_payload_at, a.stored_payload / 2)),
      Flip("StoredPayloadLastByte", HELIOS_AT(stored_payload_at, a.stored_payload - 1)),
      Flip("FrameTableOffset", HELIOS_AT(frames_at, offsetof(FrameRef, offset))),
      Flip("FrameTableLength", HELIOS_AT(frames_at, offsetof(FrameRef, length))),
      Flip("FrameTableRawLength", HELIOS_AT(frames_at, offsetof(FrameRef, raw_length))),
      Flip("BucketTableFirst", HELIOS_AT(buckets_at, offsetof(BucketRef, first))),
      Flip("BucketTableCount", HELIOS_AT(buckets_at, offsetof(BucketRef, count))),
      Flip("BucketTableCheck", HELIOS_AT(buckets_at, offsetof(BucketRef, check))),
      Flip("IndexEntryId", HELIOS_AT(entries_at, offsetof(IndexEntry, id))),
      Flip("IndexEntryFrame", HELIOS_AT(entries_at, offsetof(IndexEntry, frame))),
      Flip("IndexEntryOffset", HELIOS_AT(entries_at, offsetof(IndexEntry, offset))),
      Flip("IndexEntryLength", HELIOS_AT(entries_at, offsetof(IndexEntry, length))),
      Flip("IndexEntryKind", HELIOS_AT(entries_at, offsetof(IndexEntry, kind))),
      Flip("FooterIndexOffset", HELIOS_AT(footer_at, offsetof(PackFooter, index_offset))),
      Flip("FooterObjectBytes", HELIOS_AT(footer_at, offsetof(PackFooter, object_bytes))),
      Flip("FooterObjectCount", HELIOS_AT(footer_at, offsetof(PackFooter, object_count))),
      Flip("FooterFrameCount", HELIOS_AT(footer_at, offsetof(PackFooter, frame_count))),
      Flip("FooterBucketBits", HELIOS_AT(footer_at, offsetof(PackFooter, bucket_bits))),
      Flip("FooterTableCheck", HELIOS_AT(footer_at, offsetof(PackFooter, table_check))),
      Flip("FooterCheck", HELIOS_AT(footer_at, offsetof(PackFooter, check))),
      Flip("FooterMagic", HELIOS_AT(footer_at, offsetof(PackFooter, magic))),

      ZeroPage("Header", [](const Anatomy&) { return size_t{0}; }),
      ZeroPage("ZstdPayload", HELIOS_AT(zstd_payload_at, a.zstd_payload / 2)),
      ZeroPage("StoredPayload", HELIOS_AT(stored_payload_at, a.stored_payload / 2)),
      ZeroPage("Tables", HELIOS_AT(frames_at, 0)),
      ZeroPage("IndexEntries", HELIOS_AT(entries_at, 3 * 4096)),
      ZeroPage("Footer", HELIOS_AT(footer_at, sizeof(PackFooter) - 1)),
  };
  for (size_t sixteenths = 1; sixteenths < 16; ++sixteenths) {
    damages.push_back(Truncate(sixteenths));
  }
  return damages;
}

// A damaged pack, and a whole one beside it.
class DamagedPackTest : public ::testing::TestWithParam<Damage> {
 protected:
  DamagedPackTest() {
    hit_ = MakeBlobs(600, 1, 150);  // several index buckets, compressed frames
    for (uint64_t i = 0; i < 5; ++i) {
      hit_.push_back(MakeObject(ObjectKind::kTree, TextBytes(2000, i)));
    }
    hit_.push_back(MakeBlob(TextBytes(300'000, 9)));
    hit_.push_back(MakeBlob(RandomBytes(100'000, 9)));  // a stored frame
    Put(hit_);
    // Of two packs of one size the first by name is asked first: that shall be the damaged one.
    std::filesystem::rename(folder_ / PacksIn(folder_.path()).front(), folder_ / name_);
    file_ = ReadWholeFile(folder_ / name_);
    spared_ = MakeBlobs(50, 2);
    spared_.push_back(MakeBlob(RandomBytes(100'000, 10)));
    Put(spared_);
  }

  void Put(const std::vector<Object>& objects) {
    ASSERT_TRUE(Ok(OpenPacks(folder_.path())->PutMany(objects)));
  }
  void Inflict() { GetParam().inflict(folder_ / name_, file_, Anatomy(file_)); }

  // As the engine reads: nothing unverified comes out.
  std::unique_ptr<ObjectStore> OpenVerifying() {
    std::unique_ptr<ObjectStore> store = OpenPacks(folder_.path());
    return store ? std::make_unique<VerifyingStore>(std::move(store)) : nullptr;
  }
  // Whether this is an error about damage that tells the name of the pack.
  ::testing::AssertionResult NamesThePack(const Error& error) const {
    if ((error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kUnsupported) &&
        error.message().find(name_) != std::string::npos) {
      return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << ::testing::PrintToString(error);
  }

  TempFolder folder_;
  std::vector<Object> hit_;
  std::vector<Object> spared_;
  const std::string name_ = "0-damaged.pack";
  Bytes file_;
};

TEST_P(DamagedPackTest, GivesRightBytesOrNamesThePack) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  size_t errors = 0;
  for (const Object& object : hit_) {
    const Result<std::optional<Bytes>> bytes = store->Get(object.key);
    if (!bytes) {
      ASSERT_TRUE(NamesThePack(bytes.error())) << object.key.ToString();
      ++errors;
      continue;
    }
    ASSERT_TRUE(bytes->has_value()) << "damage passes for absence: " << object.key.ToString();
    ASSERT_TRUE(**bytes == object.bytes) << "wrong bytes: " << object.key.ToString();
  }
  EXPECT_EQ(errors == 0, GetParam().is_harmless);
}

TEST_P(DamagedPackTest, GetManyGivesRightBytesOrNamesThePack) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  const Result<void> result =
      store->GetMany(KeysOf(hit_), [&](size_t i, std::optional<ByteView> bytes) -> Result<void> {
        EXPECT_TRUE(bytes.has_value()) << "damage passes for absence";
        EXPECT_TRUE(bytes && *bytes == hit_[i].bytes) << "wrong bytes";
        return {};
      });
  EXPECT_EQ(result.has_value(), GetParam().is_harmless);
  if (!result) {
    EXPECT_TRUE(NamesThePack(result.error()));
  }
}

TEST_P(DamagedPackTest, ForEachKeyVisitsAllOrNamesThePack) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder_.path());
  ASSERT_NE(store, nullptr);
  std::map<ObjectKey, uint64_t> keys;
  const Result<void> result =
      store->ForEachKey([&](const ObjectKey& key, uint64_t size) -> Result<void> {
        keys[key] = size;
        return {};
      });
  if (!result) {
    EXPECT_TRUE(NamesThePack(result.error()));
    return;
  }
  EXPECT_EQ(keys.size(), hit_.size() + spared_.size());
  for (const Object& object : hit_) ASSERT_EQ(keys[object.key], object.bytes.size());
}

TEST_P(DamagedPackTest, DoesNotHideObjectsOfOtherPacks) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  for (const Object& object : spared_) ASSERT_TRUE(Ok(ExpectHolds(*store, object)));
  const Result<std::vector<bool>> has = store->HasMany(KeysOf(spared_));
  ASSERT_TRUE(Ok(has));
  EXPECT_EQ(*has, std::vector<bool>(spared_.size(), true));
}

TEST_P(DamagedPackTest, DoesNotHideWhatIsPutLater) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  const std::vector<Object> later = MakeBlobs(20, 3);
  ASSERT_TRUE(Ok(store->PutMany(later)));
  for (const Object& object : later) ASSERT_TRUE(Ok(ExpectHolds(*store, object)));
}

TEST_P(DamagedPackTest, HealsWhenItsObjectsArePutAgain) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  ASSERT_TRUE(Ok(store->PutMany(hit_)));
  for (const Object& object : hit_) ASSERT_TRUE(Ok(ExpectHolds(*store, object)));
  EXPECT_TRUE(Ok(store->GetMany(KeysOf(hit_), [&](size_t i, std::optional<ByteView> bytes) {
    EXPECT_TRUE(bytes && *bytes == hit_[i].bytes) << hit_[i].key.ToString();
    return Result<void>();
  })));
}

TEST_P(DamagedPackTest, StaysHealedWhenPacksAreMerged) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  ASSERT_TRUE(Ok(store->PutMany(hit_)));
  // All of a size with the damaged one and its second copy, so that both get into a merge.
  for (uint64_t i = 0; i < 10; ++i) {
    ASSERT_TRUE(Ok(store->PutMany(std::vector<Object>{MakeBlob(RandomBytes(150'000, 100 + i))})));
    const Result<void> maintained = store->Maintain();
    if (!maintained) {
      EXPECT_TRUE(NamesThePack(maintained.error()));
    }
  }
  const std::unique_ptr<ObjectStore> again = OpenVerifying();
  for (const Object& object : hit_) ASSERT_TRUE(Ok(ExpectHolds(*again, object)));
  for (const Object& object : spared_) ASSERT_TRUE(Ok(ExpectHolds(*again, object)));
}

TEST_P(DamagedPackTest, DoesNotKeepOtherPacksFromMerging) {
  Inflict();
  const std::unique_ptr<ObjectStore> store = OpenVerifying();
  ASSERT_NE(store, nullptr);
  std::vector<Object> later;
  for (uint64_t i = 0; i < 40; ++i) {
    const std::vector<Object> objects = MakeBlobs(1, 100 + i);
    ASSERT_TRUE(Ok(store->PutMany(objects)));
    later.insert(later.end(), objects.begin(), objects.end());
    const Result<void> maintained = store->Maintain();
    if (!maintained) {
      EXPECT_TRUE(NamesThePack(maintained.error()));
    }
  }
  EXPECT_LE(PacksIn(folder_.path()).size(), 14u);
  for (const Object& object : later) ASSERT_TRUE(Ok(ExpectHolds(*store, object)));
  for (const Object& object : spared_) ASSERT_TRUE(Ok(ExpectHolds(*store, object)));
}

INSTANTIATE_TEST_SUITE_P(, DamagedPackTest, ::testing::ValuesIn(AllDamages()),
                         [](const auto& damage) { return damage.param.name; });

// Every byte and every length of a small pack, beside the named structures above.
class TinyPackTest : public ::testing::Test {
 protected:
  TinyPackTest() {
    objects_ = {MakeBlob(TextBytes(500, 1)), MakeBlob(RandomBytes(50, 2)),
                MakeObject(ObjectKind::kTree, RandomBytes(60, 3)), MakeBlob("")};
    EXPECT_TRUE(Ok(OpenPacks(folder_.path())->PutMany(objects_)));
    name_ = PacksIn(folder_.path()).front();
    file_ = ReadWholeFile(folder_ / name_);
  }
  // Right bytes, or an error of the store or of verification; never anything else.
  void ExpectNothingWrong(const Bytes& damaged, const std::string& what) {
    WriteWholeFile(folder_ / name_, damaged);
    Result<std::unique_ptr<ObjectStore>> opened = PackStore::Open(folder_.path());
    if (!opened) return;  // whether it should open is asked above
    VerifyingStore store(std::move(opened).value());
    for (const Object& object : objects_) {
      const Result<std::optional<Bytes>> bytes = store.Get(object.key);
      if (!bytes) {
        ASSERT_TRUE((bytes.error().code() == ErrorCode::kCorrupt ||
                     bytes.error().code() == ErrorCode::kUnsupported) &&
                    bytes.error().message().find(name_) != std::string::npos &&
                    bytes.error().message().find(object.key.ToString()) != std::string::npos)
            << what << ": " << ::testing::PrintToString(bytes.error());
        continue;
      }
      ASSERT_TRUE(bytes->has_value()) << what << ": damage passes for absence";
      ASSERT_TRUE(**bytes == object.bytes) << what << ": wrong bytes";
    }
  }

  TempFolder folder_;
  std::vector<Object> objects_;
  std::string name_;
  Bytes file_;
};

TEST_F(TinyPackTest, DamagedFrameIsNamedByPackOffsetAndObject) {
  const Anatomy anatomy(file_);
  size_t damaged_objects = 0;
  for (uint32_t i = 0; i < anatomy.footer.frame_count; ++i) {
    const auto ref =
        LoadLittleEndian<FrameRef>(file_.data() + anatomy.frames_at + i * sizeof(FrameRef));
    Bytes damaged = file_;
    damaged[ref.offset + ref.length - 1] ^= 0x10;
    WriteWholeFile(folder_ / name_, damaged);
    const std::string place =
        "damaged pack " + (folder_ / name_) + ": frame at " + std::to_string(ref.offset) + ": ";
    const std::unique_ptr<ObjectStore> store = OpenPacks(folder_.path());
    for (const Object& object : objects_) {
      const Result<std::optional<Bytes>> bytes = store->Get(object.key);
      if (bytes) continue;
      ++damaged_objects;
      EXPECT_TRUE(Fails(bytes, ErrorCode::kCorrupt, place));
      EXPECT_TRUE(Fails(bytes, ErrorCode::kCorrupt, object.key.ToString()));
      const Object& other = &object == &objects_[0] ? objects_[1] : objects_[0];
      EXPECT_TRUE(Fails(store->Delete({&other.key, 1}), ErrorCode::kCorrupt, place));
    }
  }
  EXPECT_EQ(damaged_objects, objects_.size());
}

TEST_F(TinyPackTest, NoFlippedByteGivesWrongBytes) {
  for (size_t at = 0; at < file_.size(); ++at) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      Bytes damaged = file_;
      damaged[at] = static_cast<char>(damaged[at] ^ mask);
      ExpectNothingWrong(damaged, "byte " + std::to_string(at));
    }
  }
}

TEST_F(TinyPackTest, CheckFindsEveryFlippedByteOfTheIndex) {
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder_.path());
  for (size_t at = Anatomy(file_).frames_at; at < file_.size(); ++at) {
    Bytes damaged = file_;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    WriteWholeFile(folder_ / name_, damaged);
    // A store that was opened before sees it as well.
    const Result<std::vector<Error>> damage = store->Check();
    ASSERT_TRUE(Ok(damage));
    ASSERT_EQ(damage->size(), 1u) << at;
    EXPECT_EQ(damage->front().code(), ErrorCode::kCorrupt) << at;
    EXPECT_NE(damage->front().message().find(name_), std::string::npos) << at;
  }
}

TEST_F(TinyPackTest, CheckNamesEveryDamagedPack) {
  ASSERT_TRUE(Ok(OpenPacks(folder_.path())->PutMany(MakeBlobs(3, 99))));
  WriteWholeFile(folder_ / "garbage.pack", "garbage");
  WriteWholeFile(folder_ / name_, file_.substr(0, file_.size() - 1));
  const Result<std::vector<Error>> damage = OpenPacks(folder_.path())->Check();
  ASSERT_TRUE(Ok(damage));
  EXPECT_EQ(damage->size(), 2u);
}

TEST_F(TinyPackTest, NoTruncationGivesWrongBytes) {
  for (size_t size = 0; size < file_.size(); ++size) {
    ExpectNothingWrong(file_.substr(0, size), "length " + std::to_string(size));
  }
}

TEST_F(TinyPackTest, NoNoiseGivesWrongBytes) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    test::Random random(seed);
    Bytes damaged = file_;
    const size_t start = random.Below(damaged.size());
    const size_t length = std::min(random.Below(64) + 1, damaged.size() - start);
    damaged.replace(start, length, RandomBytes(length, seed));
    ExpectNothingWrong(damaged, "seed " + std::to_string(seed));
  }
}

TEST(PackStoreTest, SwappedNamesAreFine) {
  const TempFolder folder;
  const std::vector<Object> first = MakeBlobs(10, 1);
  const std::vector<Object> second = MakeBlobs(20, 2);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(first)));
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(second)));
  const std::vector<std::string> names = PacksIn(folder.path());
  ASSERT_EQ(names.size(), 2u);
  std::filesystem::rename(folder / names[0], folder / "aside");
  std::filesystem::rename(folder / names[1], folder / names[0]);
  std::filesystem::rename(folder / "aside", folder / names[1]);
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, first)));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, second)));
}

TEST(PackStoreTest, PackUnderAnyNameIsFine) {
  // A pack travels as it is.
  const TempFolder from;
  const TempFolder to;
  const std::vector<Object> objects = MakeBlobs(10, 1);
  ASSERT_TRUE(Ok(OpenPacks(from.path())->PutMany(objects)));
  std::filesystem::copy(from / PacksIn(from.path()).front(), to / "from-elsewhere.pack");
  EXPECT_TRUE(Ok(ExpectHoldsAll(*OpenPacks(to.path()), objects)));
}

TEST(PackStoreTest, NamesAVersionItDoesNotKnow) {
  const TempFolder folder;
  const std::vector<Object> objects = MakeBlobs(10, 1);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
  const std::string name = PacksIn(folder.path()).front();
  Bytes file = ReadWholeFile(folder / name);
  file[offsetof(PackHeader, version)] = 77;
  WriteWholeFile(folder / name, file);
  // At the latest when something is missed.
  Result<std::unique_ptr<ObjectStore>> store = PackStore::Open(folder.path());
  const Result<std::optional<Bytes>> bytes =
      store ? (*store)->Get(objects[0].key) : std::move(store).error();
  EXPECT_TRUE(Fails(bytes, ErrorCode::kUnsupported, name));
  EXPECT_TRUE(Fails(bytes, ErrorCode::kUnsupported, "77"));
}

TEST(PackStoreTest, PackThatShrinksUnderAReaderIsAnErrorNotASignal) {
  const TempFolder folder;
  const std::vector<Object> objects = MakeBlobs(2000, 1);
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany(objects)));
  const std::unique_ptr<ObjectStore> reader = OpenPacks(folder.path());
  const std::string name = PacksIn(folder.path()).front();
  std::filesystem::resize_file(folder / name, 20);
  EXPECT_TRUE(Fails(reader->Get(objects.back().key), ErrorCode::kCorrupt, name));
  EXPECT_TRUE(Fails(reader->ForEachKey([](const ObjectKey&, uint64_t) { return Result<void>(); }),
                    ErrorCode::kCorrupt, name));
}

TEST(PackStoreTest, ForeignFilesAreLeftAlone) {
  const TempFolder folder;
  WriteWholeFile(folder / "README", "not ours");
  WriteWholeFile(folder / ".hidden.pack", "not ours either");
  const std::unique_ptr<ObjectStore> store = OpenPacks(folder.path());
  const std::vector<Object> objects = MakeBlobs(10, 1);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(Ok(store->PutMany(objects)));
  ASSERT_TRUE(Ok(store->Maintain()));
  EXPECT_TRUE(Ok(ExpectHoldsAll(*store, objects)));
  EXPECT_EQ(ReadWholeFile(folder / "README"), "not ours");
  EXPECT_EQ(ReadWholeFile(folder / ".hidden.pack"), "not ours either");
}

TEST(PackStoreTest, NoPackAppearsForAnEmptyBatch) {
  const TempFolder folder;
  ASSERT_TRUE(Ok(OpenPacks(folder.path())->PutMany({})));
  EXPECT_TRUE(PacksIn(folder.path()).empty());
}

TEST(PackStoreTest, MissingFolderIsAnError) {
  const TempFolder folder;
  EXPECT_TRUE(Fails(PackStore::Open(folder / "nowhere"), ErrorCode::kFailed, "nowhere"));
}

}  // namespace
}  // namespace helios::pack
