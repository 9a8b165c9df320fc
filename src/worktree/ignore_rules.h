// What .heliosignore files say, directory by directory. Paths are those of pattern.h.
#ifndef HELIOS_WORKTREE_IGNORE_RULES_H_
#define HELIOS_WORKTREE_IGNORE_RULES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "worktree/pattern.h"

namespace helios {

// The rules that hold in one directory: its own ignore file's and those of the directories above
// it. Deeper files win over shallower ones, later lines over earlier ones. Immutable, thread-safe.
class IgnoreRules {
 public:
  // No rules: ignores nothing, digest 0.
  static std::shared_ptr<const IgnoreRules> Empty();

  // `parent`, not null, and before it the patterns of the ignore file in directory `base`: relative
  // to the root, empty for the root itself. Gives `parent` back if there are no patterns.
  static std::shared_ptr<const IgnoreRules> Extend(std::shared_ptr<const IgnoreRules> parent,
                                                   std::string base, PatternList patterns);

  // True if `path`, relative to the root, is ignored. To be asked from the top down: as in git,
  // nothing below an ignored directory can be taken back, so the caller does not go there.
  bool Ignores(std::string_view path, bool is_directory) const;

  // 64 bits of BLAKE3 over every pattern in force and its base: with the same digest the same paths
  // are ignored. Comments do not count. Stable across processes.
  uint64_t digest() const { return digest_; }

  IgnoreRules(const IgnoreRules&) = delete;
  IgnoreRules& operator=(const IgnoreRules&) = delete;
  ~IgnoreRules();

 private:
  IgnoreRules() = default;

  mutable std::shared_ptr<const IgnoreRules> parent_;  // changes in destructors only
  std::string base_;
  PatternList patterns_;
  uint64_t digest_ = 0;
};

}  // namespace helios

#endif  // HELIOS_WORKTREE_IGNORE_RULES_H_
