// Looks at a store's own files, one function for each: what the doctor and `verify` share.
#ifndef HELIOS_ENGINE_STORE_HEALTH_H_
#define HELIOS_ENGINE_STORE_HEALTH_H_

#include <string>

#include "helios/health_report.h"
#include "helios/object_store.h"
#include "history/operation_log.h"
#include "history/ref_store.h"

namespace helios {

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
