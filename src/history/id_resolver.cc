#include "history/id_resolver.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "base/hex.h"
#include "history/branches.h"

namespace helios {
namespace {

constexpr size_t kCandidatesListedMax = 5;
constexpr uint64_t kAncestorsMax = 1'000'000;

Error Unknown(std::string_view text) {
  return Error(ErrorCode::kNotFound, "unknown snapshot: " + std::string(text));
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

// `text` without the "~N" behind it, and N.
struct Expression {
  std::string_view base;
  uint64_t back = 0;
};

Result<Expression> ParseExpression(std::string_view text) {
  const Error malformed(ErrorCode::kInvalidArgument, "malformed id \"" + std::string(text) +
                                                         "\": write an id, a name or @, and ~N "
                                                         "behind it for N records before");
  Expression expression{text.substr(0, text.find('~')), 0};
  if (expression.base.starts_with('@') && expression.base != "@") return malformed;
  if (expression.base.size() == text.size()) return expression;
  const std::string_view digits = text.substr(expression.base.size() + 1);
  const char* const digits_end = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), digits_end, expression.back);
  if (expression.base.empty() || digits.empty() || error != std::errc() || end != digits_end ||
      expression.back > kAncestorsMax) {
    return malformed;
  }
  return expression;
}

Result<ResolvedRecord> ResolveBaseline(ObjectStore* store, const OperationLog& log,
                                       const std::string& workspace) {
  HELIOS_TRY_ASSIGN(const std::optional<Operation> latest, log.Latest(workspace));
  if (!latest) {
    return Error(ErrorCode::kNotFound,
                 "unknown snapshot: @ (nothing was committed from this folder yet)");
  }
  return Load(store, latest->record);
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

// `digits`: at least four hex digits.
Result<ResolvedRecord> ResolveDigits(ObjectStore* store, const OperationLog& log,
                                     const std::string& workspace, std::string_view digits,
                                     std::string_view text) {
  const std::string prefix = ToLower(digits);
  // What each matching id stands for. Later operations win; this workspace's win over others'.
  struct Match {
    RecordId record;
    bool own = false;
  };
  std::map<Digest, Match> matches;
  HELIOS_TRY(log.ForEach([&](const Operation& operation) {
    const bool own = operation.workspace == workspace;
    const auto take = [&](const Digest& id, const RecordId& record) {
      if (!id.ToHex().starts_with(prefix)) return;
      Match& match = matches[id];
      if (!match.own || own) match = {record, own};
    };
    take(operation.snapshot.digest, operation.record);
    for (const RecordId& record : operation.Records()) take(record.digest, record);
  }));
  if (matches.empty()) {
    // An id that the log has lost is not one that was never there.
    if (std::vector<Error> lost = log.CheckCheckpoints(); !lost.empty()) {
      return std::move(lost.front());
    }
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

// Where the tag or branch of that full name points.
Result<std::optional<RecordId>> RecordOf(const OperationLog& log, const RefStore& refs,
                                         const std::string& name) {
  if (!name.starts_with(kHeadsPrefix)) return refs.Get(name);
  return HeadOfBranch(log, std::string_view(name).substr(kHeadsPrefix.size()));
}

// nullopt if no ref has that name, in full or without its prefix.
Result<std::optional<ResolvedRecord>> ResolveName(ObjectStore* store, const OperationLog& log,
                                                  const RefStore& refs, std::string_view text) {
  for (const std::string_view prefix : {std::string_view(), kTagsPrefix, kHeadsPrefix}) {
    const std::string name = std::string(prefix).append(text);
    if (!CheckRefName(name)) continue;
    HELIOS_TRY_ASSIGN(const std::optional<RecordId> record, RecordOf(log, refs, name));
    if (!record) continue;
    Result<ResolvedRecord> resolved = Load(store, *record);
    if (!resolved) return std::move(resolved).error().WithContext("ref \"" + name + "\"");
    return std::optional<ResolvedRecord>(std::move(resolved).value());
  }
  return std::optional<ResolvedRecord>();
}

Result<ResolvedRecord> ResolveBase(ObjectStore* store, const OperationLog& log,
                                   const RefStore& refs, const std::string& workspace,
                                   std::string_view text) {
  if (text == "@") return ResolveBaseline(store, log, workspace);
  std::string_view digits = text;
  if (digits.starts_with("blake3:")) digits.remove_prefix(7);
  const bool is_hex = IsHex(digits) && !digits.empty();
  if (is_hex && digits.size() >= kIdPrefixDigitsMin) {
    if (digits.size() > 2 * Digest::kSize) return Unknown(text);
    return ResolveDigits(store, log, workspace, digits, text);
  }
  HELIOS_TRY_ASSIGN(std::optional<ResolvedRecord> named, ResolveName(store, log, refs, text));
  if (named) return *std::move(named);
  if (!is_hex) return Unknown(text);
  return Error(ErrorCode::kInvalidArgument,
               "id \"" + std::string(text) + "\" is too short: give at least 4 hex digits");
}

// Where history ends because a collection was told to let go of what was before.
Error Collected(std::string_view text) {
  return Error(ErrorCode::kNotFound, "unknown snapshot: " + std::string(text) +
                                         " (\"helios gc\" was told to let go of it)");
}

}  // namespace

Result<bool> IsNamed(const OperationLog& log, const RefStore& refs, const RecordId& record) {
  bool is_named = false;
  HELIOS_TRY(log.ForEach([&](const Operation& operation) {
    const std::vector<RecordId> named = operation.Records();
    is_named = is_named || std::find(named.begin(), named.end(), record) != named.end();
  }));
  if (is_named) return true;
  HELIOS_TRY_ASSIGN(const std::vector<Ref> list, refs.List());
  return std::any_of(list.begin(), list.end(),
                     [&](const Ref& ref) { return ref.record == record; });
}

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

Result<ResolvedRecord> ResolveId(ObjectStore* store, const OperationLog& log, const RefStore& refs,
                                 const std::string& workspace, std::string_view text) {
  HELIOS_TRY_ASSIGN(const Expression expression, ParseExpression(text));
  HELIOS_TRY_ASSIGN(ResolvedRecord at, ResolveBase(store, log, refs, workspace, expression.base));
  for (uint64_t i = 0; i < expression.back; ++i) {
    if (at.record.parents.empty()) {
      return Error(ErrorCode::kNotFound,
                   "unknown snapshot: " + std::string(text) + " (history has only " +
                       std::to_string(i) + " records before " + std::string(expression.base) + ")");
    }
    Result<ResolvedRecord> before = Load(store, at.record.parents.front());
    const bool is_missing = !before && before.error().code() == ErrorCode::kMissingObject;
    if (is_missing && log.WasShortened()) return Collected(text);
    if (!before) return std::move(before).error();
    at = std::move(before).value();
  }
  if (expression.back > 0 && log.WasShortened()) {
    HELIOS_TRY_ASSIGN(const bool is_named, IsNamed(log, refs, at.id));
    if (!is_named) return Collected(text);
  }
  return at;
}

}  // namespace helios
