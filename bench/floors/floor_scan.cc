// floor_scan: what it costs to look at every entry of a tree once (getdents64 and statx, relative
// to directory descriptors): the floor of a commit that finds nothing changed. Run: floor_scan TREE
// [--threads N]
#include "common.h"

namespace floors {
namespace {

struct Counts {
  uint64_t files = 0;
  uint64_t directories = 0;
  uint64_t symlinks = 0;
  uint64_t others = 0;
  uint64_t bytes = 0;
};

// Aligned so that two threads never count in the same cache line.
class alignas(64) Scanner {
 public:
  Scanner(int root, WorkStack<std::string>& work) : root_(root), work_(work) {}

  void Run() {
    std::string path;
    while (work_.Pop(path)) {
      const int fd = OpenDirectory(root_, path);
      ++counts_.directories;
      ForEachEntry(fd, dirents_, [&](const char* name, unsigned char) { Look(fd, path, name); });
      close(fd);
      work_.FinishAndPush(found_);
    }
  }

  const Counts& counts() const { return counts_; }

 private:
  void Look(int directory, const std::string& path, const char* name) {
    struct statx info;
    if (statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &info) != 0) {
      FailErrno("statx", JoinPath(path, name));
    }
    if (S_ISDIR(info.stx_mode)) {
      found_.push_back(JoinPath(path, name));
    } else if (S_ISREG(info.stx_mode)) {
      ++counts_.files;
      counts_.bytes += info.stx_size;
    } else if (S_ISLNK(info.stx_mode)) {
      ++counts_.symlinks;
    } else {
      ++counts_.others;
    }
  }

  const int root_;
  WorkStack<std::string>& work_;
  Counts counts_;
  std::vector<char> dirents_;
  std::vector<std::string> found_;
};

int Main(int argc, char** argv) {
  const Arguments arguments = ParseArguments(argc, argv, 1, "usage: floor_scan TREE [--threads N]");
  const Stopwatch stopwatch;
  const int root = OpenRoot(arguments.positional[0]);
  WorkStack<std::string> work{std::string()};
  std::vector<Scanner> scanners(arguments.threads, Scanner(root, work));
  RunThreads(arguments.threads, [&](size_t i) { scanners[i].Run(); });
  Counts sum;
  for (const Scanner& scanner : scanners) {
    sum.files += scanner.counts().files;
    sum.directories += scanner.counts().directories;
    sum.symlinks += scanner.counts().symlinks;
    sum.others += scanner.counts().others;
    sum.bytes += scanner.counts().bytes;
  }
  std::printf("files %ju directories %ju symlinks %ju others %ju bytes %ju seconds %.4f\n",
              uintmax_t{sum.files}, uintmax_t{sum.directories}, uintmax_t{sum.symlinks},
              uintmax_t{sum.others}, uintmax_t{sum.bytes}, stopwatch.Seconds());
  return 0;
}

}  // namespace
}  // namespace floors

int main(int argc, char** argv) { return floors::Main(argc, argv); }
