// Makes the pages of a directory that differs from another in some names.
#ifndef HELIOS_VST_PAGE_EDITOR_H_
#define HELIOS_VST_PAGE_EDITOR_H_

#include <optional>
#include <vector>

#include "vst/page_source.h"

namespace helios {

// What becomes of one name: an item that replaces what was there or is added, or nothing.
struct PageEdit {
  std::string_view name;
  std::optional<NewItem> item;
};

// The top page of the directory `top` (null: an empty one) after the edits, which are sorted by
// name. Where only contents change, one page per level is made anew; where names come and go, the
// pages whose names change and those above them. A name to remove that is not there is ignored.
Result<Ref<Page>> EditPages(const PageSource& source, const Ref<Page>& top,
                            std::vector<PageEdit> edits);

}  // namespace helios

#endif  // HELIOS_VST_PAGE_EDITOR_H_
