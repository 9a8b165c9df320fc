#include "helios/capture_report.h"

#include <algorithm>
#include <utility>

namespace helios {

std::string_view OmissionReasonName(OmissionReason reason) {
  static constexpr std::array<std::string_view, static_cast<size_t>(OmissionReason::kCount)>
      kNames = {"special", "ignored", "store", "git", "unreadable", "bad_name", "torn", "xattrs"};
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
    const Omission& more = other.omissions[i];
    for (size_t k = 0; k < more.first_paths.size(); ++k) {
      if (omissions[i].first_paths.size() == Omission::kPathsMax) break;
      omissions[i].first_paths.push_back(more.first_paths[k]);
      omissions[i].first_causes.push_back(more.first_causes[k]);
    }
  }
  for (const IgnoreWarning& warning : other.ignore_warnings.first) ignore_warnings.Add(warning);
  ignore_warnings.has_more = ignore_warnings.has_more || other.ignore_warnings.has_more;
}

}  // namespace helios
