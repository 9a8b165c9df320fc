// File systems that take several names for one: by case, or by how letters are composed.
#ifndef HELIOS_WORKTREE_SPELLING_H_
#define HELIOS_WORKTREE_SPELLING_H_

#include <string>

namespace helios {

// For a name that the file system says is there: whether it is, byte for byte. False if it answers
// with another name, which it takes for this one; whatever replaced that would destroy it. Asks the
// folder itself, since one may fold names and the next one not.
bool IsSpelledSo(int folder, const std::string& name);
// What is said of a name of which that is false.
inline constexpr char kOtherSpelling[] =
    "this file system takes the name for another one that is there, left alone";

}  // namespace helios

#endif  // HELIOS_WORKTREE_SPELLING_H_
