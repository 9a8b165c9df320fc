// From what users write to a record: full ids, prefixes, names, "@" and
// "~N".
#ifndef HELIOS_HISTORY_ID_RESOLVER_H_
#define HELIOS_HISTORY_ID_RESOLVER_H_

#include <string>
#include <string_view>

#include "helios/object_store.h"
#include "history/operation_log.h"
#include "history/ref_store.h"
#include "object/record.h"

namespace helios {

struct ResolvedRecord {
  RecordId id;
  Record record;
};

// Whether the log or a ref names a record. One that neither names is not kept: of what it leads to,
// a collection may have taken some away.
Result<bool> IsNamed(const OperationLog& log, const RefStore& refs, const RecordId& record);

// Loads and checks a record. Errors: kMissingObject, kCorrupt.
Result<Record> LoadRecord(ObjectStore* store, const RecordId& id);

// What `text` names, seen from a workspace: a snapshot id or record id or a prefix of either with
// at least four hex digits, with or without "blake3:"; "@" for where the workspace stands; a ref,
// by its name or without "tags/" or "heads/", looked for in this order (branches, "heads/…", stand
// in the log). Behind any of them "~N"
// stands for the N-th record before. A snapshot stands for the newest record of this workspace that
// has it, else for the newest in the store. History ends where it was not kept. Errors: kNotFound,
// kAmbiguous (listing what it could be), kInvalidArgument.
Result<ResolvedRecord> ResolveId(ObjectStore* store, const OperationLog& log, const RefStore& refs,
                                 const std::string& workspace, std::string_view text);

}  // namespace helios

#endif  // HELIOS_HISTORY_ID_RESOLVER_H_
