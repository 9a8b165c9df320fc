// Whether files that are written share their bytes on disk with others.
#ifndef HELIOS_LINK_MODE_H_
#define HELIOS_LINK_MODE_H_

namespace helios {

enum class LinkMode {
  kAuto,      // clones where the file system can, else copies
  kReflink,   // clones: blocks are shared until one of the files is written to; no danger
  kHardLink,  // hard links to read-only files of the store: whoever writes to one writes to all
  kCopy,      // each file has its own bytes
};

}  // namespace helios

#endif  // HELIOS_LINK_MODE_H_
