// Which records the operation log and the refs of a store name.
#ifndef HELIOS_HISTORY_NAMED_RECORDS_H_
#define HELIOS_HISTORY_NAMED_RECORDS_H_

#include <string>
#include <vector>

#include "history/ref_store.h"
#include "store/store_root.h"

namespace helios {

// Each once. Of what is damaged, as much as can be understood. Errors: those of reading.
Result<std::vector<RecordId>> NamedRecords(const StorePaths& paths, const RefStore& refs);

}  // namespace helios

#endif  // HELIOS_HISTORY_NAMED_RECORDS_H_
