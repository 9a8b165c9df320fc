// Where libFuzzer is not linked: feeds files, and every file in folders, to the fuzz target.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;

// The file itself, or the files in a folder in order of their names; empty if there is none.
std::vector<fs::path> FilesOf(const fs::path& argument) {
  std::error_code failure;
  if (!fs::is_directory(argument, failure)) {
    if (fs::is_regular_file(argument, failure)) return {argument};
    return {};
  }
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(argument)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// False if it cannot be read.
bool Replay(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (!in) {
    std::fprintf(stderr, "cannot read %s\n", file.c_str());
    return false;
  }
  // A copy of exactly this size, so that a sanitizer sees one byte too many.
  const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    const std::vector<fs::path> files = FilesOf(argv[i]);
    if (files.empty()) {
      std::fprintf(stderr, "nothing to replay: %s is missing or empty\n", argv[i]);
      return 1;
    }
    for (const fs::path& file : files) {
      if (!Replay(file)) return 1;
    }
    count += files.size();
  }
  std::printf("%zu inputs replayed\n", count);
  return count > 0 ? 0 : 1;
}
