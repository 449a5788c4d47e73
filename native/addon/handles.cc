// The process-wide handle table: see handles.h.
#include "handles.h"

namespace artifactstore {

Handles &handles() {
  static Handles table;
  return table;
}

uint32_t Handles::add(Kind kind, void *pointer, uint32_t store) {
  std::lock_guard<std::mutex> lock(mutex_);
  while (next_ == 0 || entries_.count(next_)) next_++;
  entries_[next_] = Entry{kind, pointer, store, 0, false};
  return next_++;
}

void *Handles::borrow(uint32_t id, Kind kind, Use use, uint32_t *store) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = entries_.find(id);
  if (found == entries_.end() || found->second.kind != kind) return nullptr;
  if (found->second.alone || (use == Use::alone && found->second.borrowed)) return nullptr;
  found->second.borrowed++;
  found->second.alone = use == Use::alone;
  if (store) *store = found->second.store;
  return found->second.pointer;
}

void Handles::give_back(uint32_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto found = entries_.find(id);
  if (found == entries_.end()) return;
  found->second.borrowed--;
  found->second.alone = false;
}

void Handles::release(uint32_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  entries_.erase(id);
}

bool Handles::has_dependents(uint32_t store) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto own = entries_.find(store);
  if (own != entries_.end() && own->second.borrowed > 1) return true;
  for (auto &entry : entries_) {
    if (entry.second.kind != Kind::store && entry.second.store == store) return true;
  }
  return false;
}

}  // namespace artifactstore
