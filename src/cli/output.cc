#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace helios::cli {
namespace {

constexpr char kDamageAdvice[] =
    "\"helios verify\" says what is damaged, \"helios repair\" saves what can be saved";

// True if `text` is well-formed UTF-8 (no surrogates, nothing overlong).
bool IsUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t length = lead < 0x80       ? 1
                          : lead >> 5 == 6  ? 2
                          : lead >> 4 == 14 ? 3
                          : lead >> 3 == 30 ? 4
                                            : 0;
    if (length == 0 || i + length > text.size()) return false;
    uint32_t point = length == 1 ? lead : lead & (0x7fu >> length);
    for (size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if (next >> 6 != 2) return false;
      point = point << 6 | (next & 63);
    }
    constexpr uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
    if (point < kLeast[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
      return false;
    }
    i += length;
  }
  return true;
}

std::string Base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (size_t k = 0; k < 4; ++k) {
      text.push_back(i + k > bytes.size() ? '=' : kDigits[group >> (18 - 6 * k) & 63]);
    }
  }
  return text;
}

std::string_view CodeName(ErrorCode code) {
  switch (code) {
    case ErrorCode::kFailed:
      return "failed";
    case ErrorCode::kInvalidArgument:
      return "usage";
    case ErrorCode::kAmbiguous:
      return "ambiguous";
    case ErrorCode::kNotFound:
      return "not_found";
    case ErrorCode::kWouldLoseWork:
      return "would_lose_work";
    case ErrorCode::kNoStore:
      return "no_store";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kCorrupt:
      return "damaged";
    case ErrorCode::kMissingObject:
      return "missing_object";
    case ErrorCode::kNoSpace:
      return "no_space";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kStale:
      return "stale";
  }
  return "failed";
}

// JSON lets DEL and the control characters U+0080 to U+009F stand as they are; a terminal obeys
// them.
std::string Dump(const Json& value) {
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string escaped;
  escaped.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<unsigned char>(text[i]);
    // Well-formed UTF-8: after c2 there is another byte.
    const bool is_c1 = byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (byte != 0x7f && !is_c1) {
      escaped.push_back(text[i]);
      continue;
    }
    if (is_c1) byte = static_cast<unsigned char>(text[++i]);
    char escape[8];
    std::snprintf(escape, sizeof(escape), "\\u%04x", byte);
    escaped.append(escape);
  }
  return escaped;
}

}  // namespace

ExitCode ExitCodeOf(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kAmbiguous:
      return kExitUsage;
    case ErrorCode::kWouldLoseWork:
      return kExitWouldLoseWork;
    case ErrorCode::kNoStore:
      return kExitNoStore;
    case ErrorCode::kBusy:
      return kExitBusy;
    case ErrorCode::kCorrupt:
      return kExitDamage;
    case ErrorCode::kMissingObject:
      return kExitMissingObject;
    case ErrorCode::kNoSpace:
      return kExitNoSpace;
    case ErrorCode::kFailed:
    case ErrorCode::kNotFound:
    case ErrorCode::kUnsupported:
    case ErrorCode::kStale:
      break;
  }
  return kExitFailure;
}

void Output::PrintJson(const Json& value) const { PrintText(Dump(value) + "\n"); }

void Output::PrintText(std::string_view text) const {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

Result<void> Output::WriteRaw(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Error::FromErrno(errno, "write", "standard output");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

void Output::Warn(const std::string& message) const {
  if (!quiet) std::fprintf(stderr, "helios: warning: %s\n", message.c_str());
}

int Output::Fail(const Error& error) const {
  const bool is_damage =
      error.code() == ErrorCode::kCorrupt || error.code() == ErrorCode::kMissingObject;
  if (json) {
    Json value = {{"error", {{"code", CodeName(error.code())}, {"message", error.message()}}}};
    if (is_damage) value["error"]["advice"] = kDamageAdvice;
    std::fprintf(stderr, "%s\n", Dump(value).c_str());
  } else {
    std::fprintf(stderr, "helios: %s\n", QuoteMessage(error.message()).c_str());
    if (is_damage) std::fprintf(stderr, "helios: %s\n", kDamageAdvice);
  }
  return ExitCodeOf(error);
}

void AddPath(Json* object, const std::string& key, const std::string& path) {
  (*object)[key] = path;
  if (!IsUtf8(path)) (*object)[key + "_b64"] = Base64(path);
}

void AddPaths(Json* object, const std::string& key, const std::vector<std::string>& paths) {
  (*object)[key] = paths;
  std::vector<std::string> exact;
  for (const std::string& path : paths) {
    if (!IsUtf8(path)) exact.push_back(Base64(path));
  }
  if (!exact.empty()) (*object)[key + "_b64"] = exact;
}

Json ToJson(const std::vector<HealthCheck>& checks) {
  Json list = Json::array();
  for (const HealthCheck& check : checks) {
    Json json = {{"name", check.name}, {"ok", check.ok}};
    AddPath(&json, "message", check.message);
    if (!check.advice.empty()) json["advice"] = check.advice;
    list.push_back(std::move(json));
  }
  return list;
}

namespace {

std::string Escape(std::string_view text, std::string_view keep) {
  const bool utf8 = IsUtf8(text);
  std::string quoted;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are control characters too: the bytes c2 80 to c2 9f.
    const bool c1 =
        byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    const bool c1_tail =
        i > 0 && static_cast<unsigned char>(text[i - 1]) == 0xc2 && byte >= 0x80 && byte < 0xa0;
    const bool control = byte < 0x20 || byte == 0x7f || c1 || c1_tail;
    if (keep.find(text[i]) != keep.npos) {
      quoted.push_back(text[i]);
    } else if (control || text[i] == '\\' || (!utf8 && byte >= 0x80)) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), text[i] == '\\' ? "\\\\" : "\\x%02x", byte);
      quoted.append(escape);
    } else {
      quoted.push_back(text[i]);
    }
  }
  return quoted;
}

}  // namespace

std::string QuoteName(std::string_view name) { return Escape(name, ""); }

std::string QuoteMessage(std::string_view message) {
  // The lines of a list begin with two spaces; any other line end is part of a name.
  std::string quoted;
  while (true) {
    const size_t end = message.find("\n  ");
    quoted += Escape(message.substr(0, end), "\\");
    if (end == message.npos) return quoted;
    quoted += "\n  ";
    message.remove_prefix(end + 3);
  }
}

std::string Count(uint64_t number, std::string_view noun) {
  std::string text = std::to_string(number) + " " + std::string(noun);
  if (number != 1) text.push_back('s');
  return text;
}

std::string FormatBytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1000 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

namespace {

bool HasCauses(const Omission& omission) {
  return std::any_of(omission.first_causes.begin(), omission.first_causes.end(),
                     [](const std::string& cause) { return !cause.empty(); });
}

}  // namespace

std::string QuoteOmitted(const Omission& omission, size_t index) {
  const std::string& cause = omission.first_causes[index];
  return QuoteName(omission.first_paths[index]) + (cause.empty() ? "" : ": " + cause);
}

Json ToJson(const CaptureReport& report) {
  Json json = Json::object();
  for (size_t i = 0; i < report.omissions.size(); ++i) {
    const Omission& omission = report.omissions[i];
    if (omission.count == 0) continue;
    Json entry = {{"count", omission.count}};
    AddPaths(&entry, "paths", omission.first_paths);
    if (HasCauses(omission)) entry["reasons"] = omission.first_causes;
    json[std::string(OmissionReasonName(static_cast<OmissionReason>(i)))] = std::move(entry);
  }
  return json;
}

Json ToJson(const IgnoreWarnings& warnings) {
  Json first = Json::array();
  for (const IgnoreWarning& warning : warnings.first) {
    Json entry = Json::object();
    AddPath(&entry, "path", warning.path);
    entry["line"] = warning.line;
    AddPath(&entry, "text", warning.text);
    first.push_back(std::move(entry));
  }
  return {{"first", std::move(first)}, {"has_more", warnings.has_more}};
}

namespace {

void AddShortfall(Json* json, const std::string& key, const WriteShortfall& shortfall) {
  if (shortfall.count == 0) return;
  Json entry = {{"count", shortfall.count}};
  AddPaths(&entry, "paths", shortfall.first_paths);
  entry["reasons"] = shortfall.first_causes;
  (*json)[key] = std::move(entry);
}

void WarnOfShortfall(const Output& output, const WriteShortfall& shortfall, const char* what) {
  if (shortfall.count == 0) return;
  std::string line = Count(shortfall.count, what) + ": ";
  for (size_t i = 0; i < shortfall.first_paths.size(); ++i) {
    line += (i > 0 ? ", " : "") + QuoteName(shortfall.first_paths[i]) + " (" +
            shortfall.first_causes[i] + ")";
  }
  if (shortfall.count > shortfall.first_paths.size()) line += ", …";
  output.Warn(line);
}

}  // namespace

Json ToJson(const WriteReport& report) {
  Json json = {{"files", report.files},           {"bytes", report.bytes},
               {"folders", report.folders},       {"deleted", report.deleted},
               {"attributes", report.attributes}, {"failed", report.failed}};
  if (report.shared > 0) json["shared"] = report.shared;
  if (report.failed > 0) AddPaths(&json, "failures", report.first_failures);
  if (report.links > 0) json["links"] = report.links;
  AddShortfall(&json, "links_as_copies", report.links_as_copies);
  AddShortfall(&json, "without_xattrs", report.without_xattrs);
  return json;
}

void PrintOmissions(const Output& output, const CaptureReport& report) {
  static constexpr const char* kExplanations[] = {
      "not captured, special files",     "not captured, ignored",
      "not captured, Helios store",      "not captured, the folder's own .git",
      "NOT CAPTURED, unreadable",        "NOT CAPTURED, impossible name",
      "captured while it kept changing", "captured WITHOUT EXTENDED ATTRIBUTES"};
  static_assert(std::size(kExplanations) == static_cast<size_t>(OmissionReason::kCount));
  for (size_t i = 0; i < report.omissions.size(); ++i) {
    const Omission& omission = report.omissions[i];
    if (omission.count == 0) continue;
    std::string line =
        std::string("  ") + kExplanations[i] + ": " + std::to_string(omission.count) + " (";
    for (size_t k = 0; k < omission.first_paths.size(); ++k) {
      line += (k > 0 ? ", " : "") + QuoteOmitted(omission, k);
    }
    if (omission.count > omission.first_paths.size()) line += ", …";
    output.PrintText(line + ")\n");
  }
}

void PrintFailures(const Output& output, const WriteReport& report) {
  for (const std::string& failure : report.first_failures) {
    output.Warn("not done: " + QuoteName(failure));
  }
  if (report.failed > report.first_failures.size()) {
    output.Warn("… and " + std::to_string(report.failed - report.first_failures.size()) + " more");
  }
  WarnOfShortfall(output, report.links_as_copies, "hard link written as a file of its own");
  WarnOfShortfall(output, report.without_xattrs, "name without all of its extended attributes");
}

void WarnOfIgnoreFiles(const Output& output, const IgnoreWarnings& warnings) {
  for (const IgnoreWarning& warning : warnings.first) {
    const std::string line = warning.line == 0 ? "" : " line " + std::to_string(warning.line);
    output.Warn(QuoteName(warning.path) + line + " has no effect: " + QuoteMessage(warning.text));
  }
  if (warnings.has_more) output.Warn("… and more malformed lines of .heliosignore files");
}

void WarnUnmatched(const Output& output, const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    output.Warn("the pattern \"" + QuoteName(pattern) + "\" matches nothing");
  }
}

}  // namespace helios::cli
