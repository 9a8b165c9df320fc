// A moving head of states in memory, for those who explore from it at the same time.
#ifndef HELIOS_BRANCH_H_
#define HELIOS_BRANCH_H_

#include <memory>

#include "helios/result.h"
#include "helios/vst.h"

namespace helios {

// Everyone forks the head, works on the fork, and puts it in the head's place: whoever comes first
// wins, and nobody's work is overwritten. Speculative: nothing is written. (Branches of a store,
// which last, are names that Engine::CommitVst advances.)
//
// Thread-safe. Taking a fork waits for a pointer to be copied and for nothing else.
class Branch {
 public:
  explicit Branch(const Vst& start);
  ~Branch();
  Branch(const Branch&) = delete;
  Branch& operator=(const Branch&) = delete;

  // A working set in the state of the head. It and its forks can advance the branch for as long as
  // the head is the one that it was taken from.
  Vst Fork() const;

  // Commits `next`, speculatively, and makes its state the head; from then on `next` counts as
  // forked from that. Errors: kStale if `next` was not forked from the present head: the head
  // stays, and `next` keeps its state, to be compared with a new fork or thrown away. Those of
  // Vst::Commit.
  Result<void> Advance(Vst& next);

 private:
  struct Head;
  const std::unique_ptr<Head> head_;
};

}  // namespace helios

#endif  // HELIOS_BRANCH_H_
