// Process-wide handles: native state that any worker thread may advance, one at a time.
//
// JavaScript holds a number; the pointer stays here. The addon is loaded once per process but initialised once per thread, so this
// table is what makes an ingest begun by one worker known to the next. A stale, foreign or busy number is an error, never a crash.
#pragma once

#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace artifactstore {

enum class Kind : uint8_t { store, ingest, reader, sink, verifier, walk, sender, proven_file, pieces };

// Whether others may use a handle at the same time.
enum class Use { alone, shared };

class Handles {
 public:
  // Takes ownership of `pointer` until `release`. Never returns 0, so that 0 can mean "none".
  uint32_t add(Kind kind, void *pointer, uint32_t store = 0);

  // Borrows the pointer for one call; null when the number is unknown, of another kind, or in use by another thread: for `alone` by any,
  // for `shared` by one that has it alone.
  void *borrow(uint32_t id, Kind kind, Use use, uint32_t *store = nullptr);
  void give_back(uint32_t id);

  // Forgets the number of a borrowed handle; whoever calls this frees the pointer.
  void release(uint32_t id);

  // Whether ingests, readers, sinks, senders or verifiers of this store are still open.
  bool has_dependents(uint32_t store);

 private:
  struct Entry {
    Kind kind;
    void *pointer;
    uint32_t store;
    uint32_t borrowed;
    bool alone;
  };
  std::mutex mutex_;
  std::unordered_map<uint32_t, Entry> entries_;
  uint32_t next_ = 1;
};

// The one table of this process.
Handles &handles();

// Borrows for the length of a scope.
template <typename T>
class Borrowed {
 public:
  // Stores are always shared.
  Borrowed(uint32_t id, Kind kind, Use use = Use::alone)
      : id_(id), pointer_(static_cast<T *>(handles().borrow(id, kind, kind == Kind::store ? Use::shared : use, &store_))) {}
  ~Borrowed() {
    if (pointer_ && !released_) handles().give_back(id_);
  }
  Borrowed(const Borrowed &) = delete;
  Borrowed &operator=(const Borrowed &) = delete;
  explicit operator bool() const { return pointer_ != nullptr; }
  T *get() const { return pointer_; }
  uint32_t store() const { return store_; }
  // The pointer leaves the table; the caller ends it.
  T *take() {
    handles().release(id_);
    released_ = true;
    return pointer_;
  }

 private:
  uint32_t id_;
  uint32_t store_ = 0;
  T *pointer_;
  bool released_ = false;
};

}  // namespace artifactstore
