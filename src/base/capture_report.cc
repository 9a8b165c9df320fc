#include "helios/capture_report.h"

namespace helios {

std::string_view OmissionReasonName(OmissionReason reason) {
  static constexpr std::array<std::string_view, static_cast<size_t>(OmissionReason::kCount)>
      kNames = {"special", "ignored", "store", "git", "unreadable", "bad_name", "torn"};
  return kNames[static_cast<size_t>(reason)];
}

void CaptureReport::Merge(const CaptureReport& other) {
  for (size_t i = 0; i < omissions.size(); ++i) {
    omissions[i].count += other.omissions[i].count;
    for (const std::string& path : other.omissions[i].first_paths) {
      if (omissions[i].first_paths.size() == Omission::kPathsMax) break;
      omissions[i].first_paths.push_back(path);
    }
  }
}

}  // namespace helios
