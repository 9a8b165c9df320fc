#include "worktree/ignore_rules.h"

#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "object/hash.h"

namespace helios {

std::shared_ptr<const IgnoreRules> IgnoreRules::Empty() {
  return std::shared_ptr<const IgnoreRules>(new IgnoreRules());
}

std::shared_ptr<const IgnoreRules> IgnoreRules::Extend(std::shared_ptr<const IgnoreRules> parent,
                                                       std::string base, PatternList patterns) {
  HELIOS_CHECK(parent != nullptr);
  if (patterns.patterns().empty()) return parent;
  Bytes digested;
  Encoder encoder(&digested);
  encoder.Fixed(parent->digest());
  encoder.String(base);
  for (const PatternList::Pattern& pattern : patterns.patterns()) encoder.String(pattern.text);

  std::shared_ptr<IgnoreRules> rules(new IgnoreRules());
  rules->parent_ = std::move(parent);
  rules->base_ = std::move(base);
  rules->patterns_ = std::move(patterns);
  rules->digest_ = Checksum64(digested);
  return rules;
}

// Lets go of the parents one by one: in a deep tree a recursion would overflow the stack.
IgnoreRules::~IgnoreRules() {
  std::shared_ptr<const IgnoreRules> next = std::move(parent_);
  while (next != nullptr && next.use_count() == 1) {
    // use_count() orders nothing; a copy that comes and goes does: what other threads read before
    // they let go of `next` comes before the change to it.
    std::shared_ptr<const IgnoreRules>(next).reset();
    next = std::move(next->parent_);
  }
}

bool IgnoreRules::Ignores(std::string_view path, bool is_directory) const {
  for (const IgnoreRules* rules = this; rules != nullptr; rules = rules->parent_.get()) {
    std::string_view relative = path;
    if (const std::string& base = rules->base_; !base.empty()) {
      if (!path.starts_with(base) || !path.substr(base.size()).starts_with('/')) continue;
      relative.remove_prefix(base.size() + 1);
    }
    const PatternList::Verdict verdict = rules->patterns_.Decide(relative, is_directory).verdict;
    if (verdict != PatternList::Verdict::kNoMatch) return verdict == PatternList::Verdict::kMatch;
  }
  return false;
}

}  // namespace helios
