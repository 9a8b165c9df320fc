// Looks at a store's own files, one function for each: what the doctor and `verify` share.
#ifndef HELIOS_ENGINE_STORE_HEALTH_H_
#define HELIOS_ENGINE_STORE_HEALTH_H_

#include <string>
#include <vector>

#include "helios/health_report.h"
#include "helios/object_store.h"
#include "history/operation_log.h"
#include "history/ref_store.h"

namespace helios {

// What checks advise.
inline constexpr char kAdviceCopy[] =
    "Copy the store before anything else is tried, then see what \"helios repair --dry-run\" would "
    "save. Commits into another store (--store DIR) are not affected.";
inline constexpr char kAdvicePacks[] =
    "Copy the store before anything else is tried. \"helios verify\" says which paths of which "
    "snapshots are lost, \"helios repair\" brings what is whole out of the damaged packs, and "
    "takes what is lost from a folder or another store that has it. A pack from a copy of the "
    "store can be put back under its name, too.";
inline constexpr char kAdviceVersion[] =
    "Use a build of Helios that knows this format, or another store (--store DIR).";
inline constexpr char kAdviceAccess[] =
    "Run as the user who owns the store, make it accessible to that user, or use another one "
    "(--store DIR).";

HealthCheck Well(std::string name, std::string message, std::string advice = "");
HealthCheck Wrong(std::string name, const Error& error, std::string advice);
// The access that this process was refused.
bool IsRefusal(const Error& error);
// A line of text for each.
std::string List(const std::vector<Error>& errors);
// "1 pack", "2 packs".
std::string Plural(uint64_t number, const std::string& noun);

// What keeps a store from being opened.
HealthCheck StoreTrouble(const Error& error);
// The log from end to end, and every checkpoint into it.
HealthCheck CheckOperationLog(const OperationLog& log);
// Every ref and branch, and whether the store, if there is one, holds the record it points to.
HealthCheck CheckRefs(const RefStore& refs, const OperationLog& log, ObjectStore* store);
HealthCheck CheckSettings(const std::string& root);
HealthCheck CheckStatistics(const std::string& path);
HealthCheck CheckEpoch(const std::string& path);
HealthCheck CheckFileCache(const std::string& path);

}  // namespace helios

#endif  // HELIOS_ENGINE_STORE_HEALTH_H_
