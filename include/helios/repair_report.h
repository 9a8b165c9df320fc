// What a repair of a store did, or would do.
#ifndef HELIOS_REPAIR_REPORT_H_
#define HELIOS_REPAIR_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "helios/store_check.h"
#include "helios/verify_report.h"

namespace helios {

struct RepairReport {
  // Nothing was damaged or missing.
  bool was_whole = false;
  // What was done, or under dry_run would be, in sentences for people.
  std::vector<std::string> steps;
  RepairObjectsReport objects;
  uint64_t filled_objects = 0;  // that were lost, and came from a workspace or another store
  uint64_t filled_bytes = 0;
  std::vector<std::string> set_aside;  // where damaged files are now; nothing was deleted
  std::vector<std::string> recovered;  // ids of records that nothing named any more, and that are
                                       // in the operation log again
  // What is not whole after all: which paths of which snapshots are lost. Under dry_run, what is
  // not whole now.
  VerifyReport after;
};

}  // namespace helios

#endif  // HELIOS_REPAIR_REPORT_H_
