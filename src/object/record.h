// Records: who committed which snapshot when, from which parents. docs/format.md is normative.
#ifndef HELIOS_OBJECT_RECORD_H_
#define HELIOS_OBJECT_RECORD_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "helios/ids.h"
#include "helios/result.h"
#include "object/attributes.h"
#include "object/tree.h"

namespace helios {

inline constexpr size_t kRecordParentsMax = 16;
inline constexpr size_t kRecordTextBytesMax = 64 << 10;
inline constexpr size_t kRecordLabelsMax = 256;

struct Record {
  SnapshotId snapshot;
  // nullopt if modes and times are not known, as of a snapshot that never lay on disk.
  std::optional<AttributesId> attributes;
  TreeTotals totals;
  std::vector<RecordId> parents;
  Timestamp time;
  std::string author;
  std::string workspace;  // where it was committed from, for people to read
  std::string message;
  std::map<std::string, std::string> labels;
  // Some file changed while it was read and may be a mixture of two states.
  bool torn = false;

  friend bool operator==(const Record&, const Record&) = default;
};

Bytes EncodeRecord(const Record& record);
// Errors: kCorrupt for anything but a canonical encoding, with the reason.
Result<Record> DecodeRecord(ByteView bytes);

}  // namespace helios

#endif  // HELIOS_OBJECT_RECORD_H_
