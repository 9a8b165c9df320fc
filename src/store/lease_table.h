// Leases: what a process that is alive relies on, though neither log nor ref may name it. A
// collector keeps it. docs/format.md, "Leases", is normative.
#ifndef HELIOS_STORE_LEASE_TABLE_H_
#define HELIOS_STORE_LEASE_TABLE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/mutex.h"
#include "helios/ids.h"

namespace helios {

// While it is held, an object is kept with all that it leads to.
class Lease {
 public:
  virtual ~Lease() = default;
};

// The bytes of a table that nobody ever used: room for a few leases, so that these need none.
Bytes EmptyLeaseTable();

// The leases of one process on one store, in a file that always exists. A slot of it belongs to
// whoever holds its bytes locked: with the last descriptor the lock is gone, and nothing is left.
// Thread-safe.
class LeaseTable {
 public:
  explicit LeaseTable(std::string path);
  ~LeaseTable();

  // The caller holds the store shared, and found `key` there; it is kept on from when that ends.
  // Those who ask for the same key share a slot. Lives as long as the lease, whatever becomes of
  // the table. Errors: those of a file that may not be written, or cannot grow.
  Result<std::shared_ptr<const Lease>> Take(const ObjectKey& key);

  // The lease that this process has on `key`; null if it has none.
  std::shared_ptr<const Lease> Find(const ObjectKey& key);

  // What anybody holds, this process too. Errors: kCorrupt if somebody holds a slot that says
  // nothing: whatever it is, it must be kept.
  static Result<std::vector<ObjectKey>> Held(const std::string& path);

 private:
  class Slots;
  class SlotLease;
  const std::shared_ptr<Slots> slots_;
};

}  // namespace helios

#endif  // HELIOS_STORE_LEASE_TABLE_H_
