// User extended attributes of open files and folders. No other namespace is read or written: what
// grants capabilities or belongs to a security module is the system's.
#ifndef HELIOS_WORKTREE_USER_XATTRS_H_
#define HELIOS_WORKTREE_USER_XATTRS_H_

#include "object/xattrs.h"

namespace helios {

struct XattrsOrErrno {
  XattrList list;
  int os_error = 0;  // ENOTSUP: the file system has none
};
XattrsOrErrno ReadUserXattrs(int fd);

// Adds what is in `list`, or replaces it. Returns 0, or errno of the first that was refused: the
// others are set all the same.
int SetUserXattrs(int fd, const XattrList& list);
// Removes the others. The same.
int RemoveOtherUserXattrs(int fd, const XattrList& present, const XattrList& wanted);

}  // namespace helios

#endif  // HELIOS_WORKTREE_USER_XATTRS_H_
