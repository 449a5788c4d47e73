// What a batch of operations commits: every ingest that ends in it, from whatever operation, so that all share one durable commit.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "artifactstore.h"
#include "handles.h"

namespace artifactstore {

class Commits {
 public:
  // Told what became of an ingest: 0 or an error, and the result (what came instead, where expectations did not hold).
  using Told = std::function<void(int status, const as_ingested &result)>;

  Commits() = default;
  Commits(const Commits &) = delete;
  Commits &operator=(const Commits &) = delete;
  ~Commits();  // aborts what has not been committed

  // Takes over `ingest`, which belongs to the store with handle `store`. When much has been gathered it is committed at once, so that
  // files that turn out to be large do not fill the memory.
  void add(uint32_t store, as_ingest *ingest, const as_expect &expect, Told told);

  // Commits all that has been gathered, each store's share together.
  void commit();

 private:
  struct Member {
    as_ingest *ingest;
    as_expect expect;
    Told told;
  };
  // The store stays borrowed until its share is committed, so that nobody closes it under the commit.
  struct Share {
    explicit Share(uint32_t id) : store(id), borrowed(id, Kind::store) {}
    uint32_t store;
    Borrowed<as_store> borrowed;
    std::vector<Member> members;
    uint64_t bytes = 0;
  };

  static void commit_share(Share &share);

  std::vector<std::unique_ptr<Share>> shares_;
};

}  // namespace artifactstore
