#include "object/directory_builder.h"

#include "base/check.h"
#include "object/hash.h"
#include "object/paging.h"

namespace helios {

Result<void> DirectoryBuilder::Add(const TreeEntry& entry, const AttributesEntry& attributes) {
  HELIOS_CHECK(attributes.is_directory == (entry.kind == EntryKind::kDirectory));
  HELIOS_CHECK(levels_[0].items == 0 || levels_[0].last_name < entry.name);
  HELIOS_TRY(BeginItem(0));
  AppendTreeEntry(entry, &levels_[0].tree);
  AppendAttributesEntry(attributes, &levels_[0].attributes);
  return EndItem(0, entry.Totals(), entry.name);
}

// A page that is full is completed only when one more item shows that it is not the last: a level
// with a single page is the top.
Result<void> DirectoryBuilder::BeginItem(size_t level) {
  if (levels_[level].ends) HELIOS_TRY(CompletePage(level));
  return {};
}

Result<void> DirectoryBuilder::EndItem(size_t level, const TreeTotals& totals,
                                       std::string_view name) {
  Level& page = levels_[level];
  ++page.items;
  if (!AddTotals(totals, &page.totals)) return TotalsOverflow();
  page.last_name = name;
  page.ends = PageEndsAfter(static_cast<uint8_t>(level), page.items, NameHash(name));
  return {};
}

Result<BuiltDirectory> DirectoryBuilder::EmitPage(size_t level,
                                                  const std::optional<FileAttributes>& own) {
  Level& page = levels_[level];
  const auto level_byte = static_cast<uint8_t>(level);
  const Bytes tree = TreePageHeader(level_byte, page.items) + page.tree;
  const Bytes attributes = AttributesPageHeader(own, level_byte, page.items) + page.attributes;
  BuiltDirectory built{{HashObject(ObjectKind::kTree, tree)},
                       {HashObject(ObjectKind::kAttributes, attributes)},
                       page.totals};
  HELIOS_TRY(sink_(built.tree, tree));
  HELIOS_TRY(sink_(built.attributes, attributes));
  page.tree.clear();
  page.attributes.clear();
  page.items = 0;
  page.totals = {};
  page.ends = false;
  ++page.pages_before;
  return built;
}

Result<void> DirectoryBuilder::CompletePage(size_t level) {
  HELIOS_CHECK(level < kPageLevelMax);
  const std::string last_name = levels_[level].last_name;
  HELIOS_TRY_ASSIGN(const BuiltDirectory page, EmitPage(level, std::nullopt));
  if (levels_.size() == level + 1) levels_.emplace_back();
  HELIOS_TRY(BeginItem(level + 1));
  AppendTreePageRef({last_name, page.tree, page.totals}, &levels_[level + 1].tree);
  levels_[level + 1].attributes.append(page.attributes.digest.view());
  return EndItem(level + 1, page.totals, last_name);
}

Result<BuiltDirectory> DirectoryBuilder::Finish(const FileAttributes& own) {
  size_t top = 0;
  while (levels_[top].pages_before > 0) {
    HELIOS_TRY(CompletePage(top));
    ++top;
  }
  HELIOS_TRY_ASSIGN(BuiltDirectory built, EmitPage(top, own));
  levels_.assign(1, Level());
  return built;
}

}  // namespace helios
