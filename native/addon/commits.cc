// Gathering and committing: see commits.h.
#include "commits.h"

namespace artifactstore {

namespace {

// Objects, and bytes, after which what has been gathered is committed.
constexpr size_t kCountMax = 1024;
constexpr uint64_t kBytesMax = 8 * 1024 * 1024;

}  // namespace

Commits::~Commits() {
  for (auto &share : shares_) {
    for (Member &member : share->members) as_ingest_abort(member.ingest);
  }
}

void Commits::add(uint32_t store, as_ingest *ingest, const as_expect &expect, Told told) {
  Share *share = nullptr;
  for (auto &known : shares_) {
    if (known->store == store) share = known.get();
  }
  if (!share) {
    shares_.push_back(std::make_unique<Share>(store));
    share = shares_.back().get();
  }
  share->bytes += as_ingest_length(ingest);
  share->members.push_back({ingest, expect, std::move(told)});
  if (share->members.size() >= kCountMax || share->bytes >= kBytesMax) commit_share(*share);
}

void Commits::commit() {
  for (auto &share : shares_) commit_share(*share);
  shares_.clear();
}

void Commits::commit_share(Share &share) {
  std::vector<Member> members = std::move(share.members);
  share.members.clear();
  share.bytes = 0;
  if (members.empty()) return;
  std::vector<as_ingest *> ingests;
  std::vector<const as_expect *> expects;
  for (const Member &member : members) {
    ingests.push_back(member.ingest);
    expects.push_back(&member.expect);
  }
  std::vector<as_ingested> results(members.size());
  std::vector<int> status(members.size());
  as_ingest_commit(share.borrowed.get(), ingests.data(), expects.data(), members.size(), results.data(), status.data());
  for (size_t i = 0; i < members.size(); i++) members[i].told(status[i], results[i]);
}

}  // namespace artifactstore
