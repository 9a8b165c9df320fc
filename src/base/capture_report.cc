#include "helios/capture_report.h"

#include <algorithm>
#include <utility>

namespace helios {

std::string_view OmissionReasonName(OmissionReason reason) {
  static constexpr std::array<std::string_view, static_cast<size_t>(OmissionReason::kCount)>
      kNames = {"special", "ignored", "store", "git", "unreadable", "bad_name", "torn"};
  return kNames[static_cast<size_t>(reason)];
}

void IgnoreWarnings::Add(IgnoreWarning warning) {
  const auto place = std::lower_bound(first.begin(), first.end(), warning);
  if (place != first.end() && *place == warning) return;
  first.insert(place, std::move(warning));
  if (first.size() <= kFirstMax) return;
  first.pop_back();
  has_more = true;
}

void CaptureReport::Merge(const CaptureReport& other) {
  for (size_t i = 0; i < omissions.size(); ++i) {
    omissions[i].count += other.omissions[i].count;
    for (const std::string& path : other.omissions[i].first_paths) {
      if (omissions[i].first_paths.size() == Omission::kPathsMax) break;
      omissions[i].first_paths.push_back(path);
    }
  }
  for (const IgnoreWarning& warning : other.ignore_warnings.first) ignore_warnings.Add(warning);
  ignore_warnings.has_more = ignore_warnings.has_more || other.ignore_warnings.has_more;
}

}  // namespace helios
