// After a collection: whether the store still has what a stat index says was stored.
#ifndef HELIOS_ENGINE_INDEX_CHECK_H_
#define HELIOS_ENGINE_INDEX_CHECK_H_

#include "helios/object_store.h"
#include "worktree/stat_index.h"

namespace helios {

// Looks every id of the index up, and doubts the directories and files of which the store lacks
// something: the next scan reads and stores those again, and no others. Contents are not read; of
// large files and large directories, what lists their parts is.
Result<void> DoubtWhatIsLost(ObjectStore* store, StatIndex* index);

}  // namespace helios

#endif  // HELIOS_ENGINE_INDEX_CHECK_H_
