#include "history/id_resolver.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/hex.h"

namespace helios {
namespace {

constexpr size_t kPrefixDigitsMin = 4;
constexpr size_t kCandidatesListedMax = 5;
constexpr uint64_t kAncestorsMax = 1'000'000;

Error Unknown(std::string_view text) {
  return Error(ErrorCode::kNotFound, "unknown snapshot: " + std::string(text));
}

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return HexDigitValue(c) >= 0; });
}

std::string ToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

Result<ResolvedRecord> Load(ObjectStore* store, const RecordId& id) {
  HELIOS_TRY_ASSIGN(Record record, LoadRecord(store, id));
  return ResolvedRecord{id, std::move(record)};
}

// "@" or "@~N".
Result<ResolvedRecord> ResolveBaseline(ObjectStore* store, const OperationLog& log,
                                       const std::string& workspace, std::string_view text) {
  uint64_t back = 0;
  if (text != "@") {
    const std::string_view digits = text.substr(std::min<size_t>(2, text.size()));
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), back);
    if (!text.starts_with("@~") || digits.empty() || error != std::errc() ||
        end != digits.data() + digits.size() || back > kAncestorsMax) {
      return Error(ErrorCode::kInvalidArgument,
                   "malformed id \"" + std::string(text) + "\": write @ or @~N");
    }
  }
  HELIOS_TRY_ASSIGN(const std::optional<Operation> latest, log.Latest(workspace));
  if (!latest) {
    return Error(ErrorCode::kNotFound, "unknown snapshot: " + std::string(text) +
                                           " (nothing was committed from this folder yet)");
  }
  HELIOS_TRY_ASSIGN(ResolvedRecord at, Load(store, latest->record));
  for (uint64_t i = 0; i < back; ++i) {
    if (at.record.parents.empty()) {
      return Error(ErrorCode::kNotFound, "unknown snapshot: " + std::string(text) +
                                             " (history has only " + std::to_string(i) +
                                             " records before @)");
    }
    HELIOS_TRY_ASSIGN(at, Load(store, at.record.parents.front()));
  }
  return at;
}

// Why a full id that the log does not know is not a snapshot.
Error UnknownFullId(ObjectStore* store, const Digest& digest, std::string_view text) {
  for (const ObjectKind kind : {ObjectKind::kBlob, ObjectKind::kManifest, ObjectKind::kTree,
                                ObjectKind::kAttributes, ObjectKind::kRecord}) {
    const ObjectKey key(kind, digest);
    const Result<std::vector<bool>> has = store->HasMany({&key, 1});
    if (!has || !has->front()) continue;
    const std::string_view what =
        kind == ObjectKind::kTree ? "a folder inside a snapshot" : ObjectKindName(kind);
    return Error(ErrorCode::kNotFound, "unknown snapshot: " + std::string(text) +
                                           " (it is the id of " + std::string(what) +
                                           ", not of a snapshot)");
  }
  return Unknown(text);
}

}  // namespace

Result<Record> LoadRecord(ObjectStore* store, const RecordId& id) {
  const ObjectKey key(id);
  HELIOS_TRY_ASSIGN(const std::optional<Bytes> bytes, store->Get(key));
  if (!bytes) {
    return Error(ErrorCode::kMissingObject, "object is missing from the store: " + key.ToString());
  }
  Result<Record> record = DecodeRecord(*bytes);
  if (!record) return std::move(record).error().WithContext(key.ToString());
  return record;
}

Result<ResolvedRecord> ResolveId(ObjectStore* store, const OperationLog& log,
                                 const std::string& workspace, std::string_view text) {
  if (text.starts_with('@')) return ResolveBaseline(store, log, workspace, text);
  std::string_view digits = text;
  if (digits.starts_with("blake3:")) digits.remove_prefix(7);
  if (!IsHex(digits) || digits.size() > 2 * Digest::kSize || digits.empty()) return Unknown(text);
  if (digits.size() < kPrefixDigitsMin) {
    return Error(ErrorCode::kInvalidArgument,
                 "id \"" + std::string(text) + "\" is too short: give at least 4 hex digits");
  }
  const std::string prefix = ToLower(digits);
  // What each matching id stands for. Later operations win; this workspace's win over others'.
  struct Match {
    RecordId record;
    bool own = false;
  };
  std::map<Digest, Match> matches;
  HELIOS_TRY(log.ForEach([&](const Operation& operation) {
    const bool own = operation.workspace == workspace;
    for (const Digest& id : {operation.snapshot.digest, operation.record.digest}) {
      if (!id.ToHex().starts_with(prefix)) continue;
      Match& match = matches[id];
      if (match.own && !own) continue;
      match = {operation.record, own};
    }
  }));
  if (matches.empty()) {
    const std::optional<Digest> full = Digest::FromHex(prefix);
    return full ? UnknownFullId(store, *full, text) : Unknown(text);
  }
  if (matches.size() > 1) {
    std::string message = "ambiguous id \"" + std::string(text) + "\": it could be";
    size_t listed = 0;
    for (const auto& [id, match] : matches) {
      if (++listed > kCandidatesListedMax) break;
      message.append(listed == 1 ? " " : ", ").append(FormatId(id));
    }
    if (matches.size() > kCandidatesListedMax) message.append(", …");
    return Error(ErrorCode::kAmbiguous, std::move(message));
  }
  return Load(store, matches.begin()->second.record);
}

}  // namespace helios
