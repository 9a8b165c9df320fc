#include "helios/backend_library.h"

#include <fstream>

#include "store/testing.h"

namespace helios {
namespace {

using test::Fails;
using test::Ok;

std::string Stub(const std::string& name) { return HELIOS_STUB_FOLDER "/" + name + ".so"; }

bool IsLoaded(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  const std::string text{std::istreambuf_iterator<char>(maps), std::istreambuf_iterator<char>()};
  return text.find(path) != text.npos;
}

// Refused by create and by open, and nothing is left of it.
void ExpectRefused(const std::string& path, std::string_view why) {
  const Backend backend = BackendFromLibrary("stub", path);
  EXPECT_EQ(backend.name, "stub");
  const test::TempFolder folder;
  EXPECT_TRUE(Fails(backend.create(folder / "new"), ErrorCode::kUnsupported, why));
  const auto opened = backend.open(folder.path(), {});
  EXPECT_TRUE(Fails(opened, ErrorCode::kUnsupported, why));
  EXPECT_TRUE(Fails(opened, ErrorCode::kUnsupported, "backend \"stub\""));
  EXPECT_FALSE(std::filesystem::exists(folder / "new"));
}

TEST(BackendLibraryTest, IsLoadedWhenAStoreAsksForItAndNotBefore) {
  const Backend backend = BackendFromLibrary("stub", Stub("good"));
  EXPECT_FALSE(IsLoaded(Stub("good")));
  EXPECT_TRUE(Fails(backend.create("anywhere"), ErrorCode::kFailed, "asked to create"));
  EXPECT_TRUE(IsLoaded(Stub("good")));
  EXPECT_TRUE(Fails(backend.open("anywhere", {}), ErrorCode::kFailed, "asked to open"));
}

TEST(BackendLibraryTest, OneThatIsNotThereSaysHowToGetIt) {
  ExpectRefused(Stub("nowhere"), "there is no " + Stub("nowhere"));
  ExpectRefused(Stub("nowhere"), "librocksdb-dev");
}

// The dynamic loader would look for it where the environment says.
TEST(BackendLibraryTest, APathThatIsNotAbsoluteIsRefused) {
  const std::string name = std::filesystem::path(Stub("good")).filename();
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(HELIOS_STUB_FOLDER);
  for (const std::string& path : {name, "./" + name, std::string()}) {
    ExpectRefused(path, "no absolute path");
  }
  std::filesystem::current_path(before);
}

TEST(BackendLibraryTest, AFileThatIsNoLibraryIsRefused) {
  const test::TempFolder folder;
  for (const std::string content : {"", "garbage",
                                    "\x7f"
                                    "ELF and no more"}) {
    test::WriteWholeFile(folder / "file.so", content);
    ExpectRefused(folder / "file.so", folder / "file.so");
  }
  std::filesystem::create_directory(folder / "folder.so");
  ExpectRefused(folder / "folder.so", folder / "folder.so");
}

TEST(BackendLibraryTest, ALibraryOfSomethingElseIsRefused) {
  ExpectRefused(Stub("other_symbol"), Stub("other_symbol") + " is no backend of Helios");
}

TEST(BackendLibraryTest, ALibraryOfAnotherBuildIsRefusedAndBothAreNamed) {
  ExpectRefused(Stub("other_version"), "belongs to another build of Helios (0.0.1 of yesterday;");
}

TEST(BackendLibraryTest, ALibraryOfAnotherBackendIsRefused) {
  const Backend backend = BackendFromLibrary("punchcards", Stub("good"));
  EXPECT_TRUE(Fails(backend.create("anywhere"), ErrorCode::kUnsupported,
                    Stub("good") + " holds the backend \"stub\""));
}

}  // namespace
}  // namespace helios
