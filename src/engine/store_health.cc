#include "engine/store_health.h"

#include <cerrno>
#include <utility>

#include "base/one_line.h"
#include "history/branches.h"
#include "store/metrics_file.h"
#include "store/store_epoch.h"
#include "store/store_settings.h"
#include "worktree/file_cache.h"

namespace helios {
namespace {

constexpr char kAdviceRefs[] =
    "\"helios repair\" makes a damaged tag anew if it can tell what it said, else removes it; then "
    "set it again (helios tag NAME ID).";

std::string AdviceOnStore(const Error& error) {
  if (error.code() == ErrorCode::kUnsupported) return kAdviceVersion;
  return error.code() == ErrorCode::kCorrupt ? kAdviceCopy : kAdviceAccess;
}

}  // namespace

HealthCheck Well(std::string name, std::string message, std::string advice) {
  return {std::move(name), true, std::move(message), std::move(advice)};
}

HealthCheck Wrong(std::string name, const Error& error, std::string advice) {
  return {std::move(name), false, error.message(), std::move(advice), error.code()};
}

std::string List(const std::vector<Error>& errors) {
  std::string list;
  for (const Error& error : errors) list += "\n  " + OnOneLine(error.message());
  return list;
}

bool IsRefusal(const Error& error) {
  return error.os_error() == EACCES || error.os_error() == EPERM;
}

std::string Plural(uint64_t number, const std::string& noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

HealthCheck StoreTrouble(const Error& error) {
  // What a store is made with is not there: that is damage, whatever the system calls it.
  if (error.os_error() == ENOENT) {
    return Wrong("store", Error(ErrorCode::kCorrupt, error.message()), kAdviceCopy);
  }
  return Wrong("store", error, AdviceOnStore(error));
}

HealthCheck CheckOperationLog(const OperationLog& log) {
  uint64_t operations = 0;
  const Result<void> read = log.ForEach([&](const Operation&) { ++operations; });
  if (!read) return Wrong("operation_log", read.error(), kAdviceCopy);
  const std::vector<Error> lost = log.CheckCheckpoints();
  if (lost.empty()) return Well("operation_log", Plural(operations, "operation"));
  return Wrong(
      "operation_log",
      Error(lost.front().code(), Plural(operations, "operation") + "; besides:" + List(lost)),
      kAdviceCopy);
}

HealthCheck CheckStatistics(const std::string& path) {
  const Result<Metrics> read = ReadMetricsFile(path);
  if (read) return Well("statistics", "readable");
  return Wrong("statistics", read.error(),
               IsRefusal(read.error()) ? kAdviceAccess
                                       : "Remove the file: it is counted from zero again then, and "
                                         "nothing else is lost.");
}

HealthCheck CheckEpoch(const std::string& path) {
  const Result<StoreEpoch> epoch = ReadEpoch(path);
  if (!epoch) return Wrong("epoch", epoch.error(), kAdviceAccess);
  if (epoch->is_known) return Well("epoch", "collection " + std::to_string(epoch->collection));
  return Wrong(
      "epoch", Error(ErrorCode::kCorrupt, path + " is damaged"),
      "\"helios repair\" writes it anew. Until then nothing that was noted of the store is "
      "believed: commands look everything up, and an end that the operation log has lost "
      "is not noticed.");
}

HealthCheck CheckFileCache(const std::string& path) {
  const Result<std::vector<std::string>> changed = FileCache::Check(path);
  if (!changed) return Wrong("file_cache", changed.error(), kAdviceAccess);
  if (changed->empty()) return Well("file_cache", "whatever it holds is whole");
  std::string list;
  for (const std::string& file : *changed) list += "\n  " + OnOneLine(file);
  return Wrong(
      "file_cache",
      Error(ErrorCode::kCorrupt,
            Plural(changed->size(), "file") +
                " that materialized folders are linked to were written to:" + list),
      "Find the other links (find FOLDER -samefile FILE): they hold what was written. Then "
      "remove the files named here; snapshots are not affected.");
}

HealthCheck CheckSettings(const std::string& root) {
  const Result<StoreSettings> settings = ReadSettings(root);
  if (settings) {
    return Well("settings", "compression " + std::string(CompressionName(settings->compression)));
  }
  return Wrong("settings", settings.error(),
               IsRefusal(settings.error())
                   ? kAdviceAccess
                   : "Nothing can be committed until they are set again (helios config compression "
                     "default); what is in the store can be read all the same.");
}

HealthCheck CheckRefs(const RefStore& refs, const OperationLog& log, ObjectStore* store) {
  Result<RefListing> listing = refs.ListAll();
  if (!listing) return Wrong("refs", listing.error(), kAdviceRefs);
  if (!listing->damage.empty()) {
    std::vector<Error> errors;
    for (const DamagedRef& damaged : listing->damage) errors.push_back(damaged.error);
    return Wrong("refs",
                 Error(errors.front().code(),
                       Plural(listing->refs.size(), "ref") + "; besides:" + List(errors)),
                 kAdviceRefs);
  }
  std::vector<Ref> list = std::move(listing->refs);
  // A log that cannot be read has a check of its own.
  if (const Result<std::vector<Ref>> branches = ListBranches(log)) {
    list.insert(list.end(), branches->begin(), branches->end());
  }
  std::vector<ObjectKey> records;
  for (const Ref& ref : list) records.emplace_back(ref.record);
  if (store == nullptr) return Well("refs", Plural(list.size(), "ref"));
  const Result<std::vector<bool>> has = store->HasMany(records);
  if (!has) return Wrong("refs", has.error(), kAdvicePacks);
  for (size_t i = 0; i < records.size(); ++i) {
    if ((*has)[i]) continue;
    return Wrong("refs",
                 Error(ErrorCode::kMissingObject, "ref \"" + list[i].name + "\" points to " +
                                                      records[i].ToString() +
                                                      ", which the store does not hold"),
                 list[i].name.starts_with(kHeadsPrefix) ? kAdvicePacks : kAdviceRefs);
  }
  return Well("refs", Plural(list.size(), "ref"));
}

}  // namespace helios
