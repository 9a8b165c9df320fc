#include "vst/vst_load.h"

#include <string>
#include <vector>

namespace helios {
namespace {

// As deep as the tree is, so not by recursion.
class Loader {
 public:
  explicit Loader(const PageSource& source) : source_(source) {}

  Result<void> Run(const VstDirectory& root) {
    pending_.push_back({&root, ""});
    while (!pending_.empty()) {
      const Directory directory = std::move(pending_.back());
      pending_.pop_back();
      HELIOS_TRY(LoadPages(directory));
    }
    return {};
  }

 private:
  struct Directory {
    const VstDirectory* node;
    std::string path;
  };

  Result<void> LoadPages(const Directory& directory) {
    Result<Page*> top = directory.node->Top(source_);
    if (!top) return At(directory.path, std::move(top).error());
    std::vector<const Page*> pages{*top};
    while (!pages.empty()) {
      const Page* page = pages.back();
      pages.pop_back();
      for (size_t i = 0; i < page->size(); ++i) {
        if (page->level() == 0) {
          HELIOS_TRY(LoadItem(*page, i, directory.path));
          continue;
        }
        Result<Page*> child = source_.Child(*page, i);
        if (!child) return At(directory.path, std::move(child).error());
        pages.push_back(*child);
      }
    }
    return {};
  }

  Result<void> LoadItem(const Page& page, size_t index, const std::string& folder) {
    const VstItem item = ItemOf(page, index);
    std::string path = folder.empty() ? "" : folder + "/";
    path.append(page.Name(index));
    if (item.directory() != nullptr) pending_.push_back({item.directory(), std::move(path)});
    if (!IsFile(item.kind) || item.node) return {};
    Result<std::shared_ptr<const Bytes>> content =
        source_.Content(item.size, {item.id}, item.manifest);
    if (!content) return At(path, std::move(content).error());
    page.KeepNode(index, Ref<VstNode>(new VstContent(std::move(content).value())));
    return {};
  }

  static Error At(const std::string& path, Error error) {
    return path.empty() ? std::move(error) : std::move(error).WithContext(path);
  }

  const PageSource& source_;
  std::vector<Directory> pending_;
};

}  // namespace

Result<void> LoadEverything(const PageSource& source, const VstDirectory& root) {
  return Loader(source).Run(root);
}

}  // namespace helios
