// Builds one directory's tree and attributes objects, page by page, from its sorted entries.
#ifndef HELIOS_OBJECT_DIRECTORY_BUILDER_H_
#define HELIOS_OBJECT_DIRECTORY_BUILDER_H_

#include <functional>
#include <string>
#include <vector>

#include "object/attributes.h"
#include "object/tree.h"

namespace helios {

struct BuiltDirectory {
  TreeId tree;
  AttributesId attributes;
  TreeTotals totals;
};

// Add every entry in order of its name, then Finish. Objects are handed to the sink as their pages
// fill up, pages before what refers to them, so that memory does not grow with the directory.
class DirectoryBuilder {
 public:
  // Takes an object that was built; an error ends the building.
  using Sink = std::function<Result<void>(const ObjectKey& key, ByteView bytes)>;
  explicit DirectoryBuilder(Sink sink) : sink_(std::move(sink)), levels_(1) {}

  // `entry` and its attributes: for a directory, `attributes` names its attributes object.
  Result<void> Add(const TreeEntry& entry, const AttributesEntry& attributes);
  // `own`: the attributes of the directory itself. The builder is then ready for the next one.
  Result<BuiltDirectory> Finish(const FileAttributes& own);

 private:
  // The page that is being filled on one level.
  struct Level {
    Bytes tree;
    Bytes attributes;
    size_t items = 0;
    TreeTotals totals;
    std::string last_name;
    bool ends = false;        // the next item begins a new page
    size_t pages_before = 0;  // pages of this level that are complete
  };

  Result<void> BeginItem(size_t level);
  Result<void> EndItem(size_t level, const TreeTotals& totals, std::string_view name);
  // Completes the page of `level` and refers to it from the level above.
  Result<void> CompletePage(size_t level);
  Result<BuiltDirectory> EmitPage(size_t level, const std::optional<FileAttributes>& own);

  Sink sink_;
  std::vector<Level> levels_;
};

}  // namespace helios

#endif  // HELIOS_OBJECT_DIRECTORY_BUILDER_H_
