// What a scan of a workspace did not capture, and why.
#ifndef HELIOS_CAPTURE_REPORT_H_
#define HELIOS_CAPTURE_REPORT_H_

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace helios {

enum class OmissionReason : uint8_t {
  kSpecial,     // a fifo, socket or device
  kIgnored,     // excluded by .heliosignore; a folder counts once, whatever is in it
  kStore,       // a Helios store, or the link that leads to it
  kGit,         // the workspace's own .git
  kUnreadable,  // no permission, or the medium failed
  kBadName,     // a name that no tree can hold
  kTorn,        // captured, but it changed while it was read, each time that it was tried
  kXattrs,  // captured, but without extended attributes: they could not be read, or are too many
  kCount
};

// "special", "ignored", "store", "git", "unreadable", "bad_name", "torn" or "xattrs".
std::string_view OmissionReasonName(OmissionReason reason);

struct Omission {
  static constexpr size_t kPathsMax = 10;
  uint64_t count = 0;
  std::vector<std::string> first_paths;   // at most kPathsMax
  std::vector<std::string> first_causes;  // for each of them what went wrong; empty if not known
};

// A line of an ignore file that is malformed, or a file that could not be read: without effect.
struct IgnoreWarning {
  std::string path;   // of the ignore file
  uint64_t line = 0;  // from 1; 0 for the whole file
  std::string text;   // what is wrong with it
  auto operator<=>(const IgnoreWarning&) const = default;
};

// The first warnings by path and line, whatever the order in which they were found.
struct IgnoreWarnings {
  static constexpr size_t kFirstMax = 20;
  std::vector<IgnoreWarning> first;  // sorted, at most kFirstMax
  bool has_more = false;             // there were others

  // The same warning twice counts once: a file may be read twice in one scan.
  void Add(IgnoreWarning warning);
};

struct CaptureReport {
  std::array<Omission, static_cast<size_t>(OmissionReason::kCount)> omissions;
  IgnoreWarnings ignore_warnings;

  void Add(OmissionReason reason, std::string path, std::string cause = "") {
    Omission& omission = omissions[static_cast<size_t>(reason)];
    ++omission.count;
    if (omission.first_paths.size() < Omission::kPathsMax) {
      omission.first_paths.push_back(std::move(path));
      omission.first_causes.push_back(std::move(cause));
    }
  }
  const Omission& operator[](OmissionReason reason) const {
    return omissions[static_cast<size_t>(reason)];
  }
  // False if something that the user will miss is not in the snapshot as it lay on disk.
  bool IsWhole() const {
    return (*this)[OmissionReason::kUnreadable].count == 0 &&
           (*this)[OmissionReason::kBadName].count == 0 &&
           (*this)[OmissionReason::kTorn].count == 0 && (*this)[OmissionReason::kXattrs].count == 0;
  }
  void Merge(const CaptureReport& other);
};

}  // namespace helios

#endif  // HELIOS_CAPTURE_REPORT_H_
