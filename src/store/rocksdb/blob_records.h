// Reading blob files without the database that knows them: for a repair whose manifest is lost.
#ifndef HELIOS_STORE_ROCKSDB_BLOB_RECORDS_H_
#define HELIOS_STORE_ROCKSDB_BLOB_RECORDS_H_

#include <functional>
#include <string>

#include "helios/ids.h"
#include "helios/result.h"
#include "store/rocksdb/rocksdb_format.h"

namespace helios::rocks {

// Told of each record, with its value as it may have been before it was compressed: whether it is
// the object's shows its hash.
using BlobVisitor = std::function<Result<void>(const DataKey& key, ByteView value)>;

// Visits the records of a blob file (rocksdb's blob_log_format.h: a header of 30 bytes, then of
// each record a header of 32, its key and its value) up to its end, or to where it is damaged.
// Errors: the visitor's, and those of reading.
Result<void> ForEachBlob(const std::string& path, const BlobVisitor& visitor);

}  // namespace helios::rocks

#endif  // HELIOS_STORE_ROCKSDB_BLOB_RECORDS_H_
