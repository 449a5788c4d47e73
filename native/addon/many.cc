// Taking in many small objects as one job: see jobs.h. The columns are mirrored in lib/native/addon.ts (NativeColumns).
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "handles.h"
#include "jobs.h"

namespace artifactstore {

namespace {

// Objects, and bytes, after which what has been gathered is committed: more objects would be committed one slice after the other, the last of them with few; and so
// files that turn out to be large do not fill the memory.
constexpr size_t kCountMax = AS_COMMIT_SLICE;
constexpr uint64_t kBytesMax = 8 * 1024 * 1024;

// Where a thread reads small files to, until they are committed: as many as one commit of a pack takes, at 4 KiB each, and a batch at 16 KiB each. What is
// used again costs nothing; fresh pages do.
constexpr size_t kBatchRoom = static_cast<size_t>(AS_FILES_MAX) * AS_GROUP_SIZE;
constexpr size_t kRoomSize = 1024 * 1024 + kBatchRoom;

enum Flag : uint8_t { kExisted = 1, kHealed = 2, kOther = 4, kDeferred = 8 };

// What is expected of an object, apart from the JavaScript values that said so.
class Expected {
 public:
  // `column` is null, or an array with null or [BLAKE3, SHA-256, size] for each object.
  Expected(Napi::Value column, uint32_t index) {
    if (!column.IsArray()) return;
    Napi::Value row = column.As<Napi::Array>().Get(index);
    if (!row.IsArray()) return;
    Arguments in(row.As<Napi::Array>(), "expectation");
    keep(in.optional_digest(0), &blake3_, &expect_.blake3);
    keep(in.optional_digest(1), &sha256_, &expect_.sha256);
    expect_.size = in.optional_size(2);
  }
  Expected(const Expected &) = delete;
  Expected &operator=(const Expected &) = delete;
  const as_expect *get() const { return &expect_; }

 private:
  using Digest = std::array<uint8_t, AS_DIGEST_SIZE>;
  static void keep(const uint8_t *given, Digest *own, const uint8_t **out) {
    if (!given) return;
    memcpy(own->data(), given, own->size());
    *out = own->data();
  }
  Digest blake3_{}, sha256_{};
  as_expect expect_{nullptr, nullptr, AS_SIZE_UNKNOWN};
};

// What is neither a plain success nor told by a flag: an error with the detail of the thread that met it, or the beginning of a long file.
struct Other {
  int error;
  std::string detail;
  as_ingested result;
  as_ingest *longer;
};

class ManyJob : public Job {
 public:
  ~ManyJob() override {
    for (const Member &member : members_) as_ingest_abort(member.ingest);
    for (const auto &other : others_) as_ingest_abort(other.second.longer);
  }

  void work() final {
    Borrowed<as_store> store(store_, Kind::store);
    refused_ = !store;
    if (refused_) return;
    take_in(store.get());
    commit(store.get());
  }

  Napi::Value outcome(Napi::Env env) final {
    if (refused_) return stale(env);
    size_t count = results_.size();
    Napi::Uint8Array digests = Napi::Uint8Array::New(env, count * sizeof(as_digests));
    Napi::Float64Array sizes = Napi::Float64Array::New(env, count), stored = Napi::Float64Array::New(env, count);
    Napi::Uint8Array flags = Napi::Uint8Array::New(env, count);
    for (size_t i = 0; i < count; i++) {
      const as_ingested &result = results_[i];
      memcpy(digests.Data() + i * sizeof(as_digests), &result.digests, sizeof(as_digests));
      sizes[i] = static_cast<double>(result.size);
      stored[i] = static_cast<double>(result.stored_size);
      flags[i] = static_cast<uint8_t>((result.existed ? kExisted : 0) | (result.healed ? kHealed : 0) | (result.deferred ? kDeferred : 0));
    }
    Napi::Object columns = Napi::Object::New(env);
    columns.Set("digests", digests);
    columns.Set("sizes", sizes);
    columns.Set("storedSizes", stored);
    columns.Set("flags", flags);
    columns.Set("others", others(env, flags));
    return columns;
  }

 protected:
  ManyJob(const Arguments &in, size_t count) : store_(in.handle(1)), deferred_(in.integer(5) != 0), results_(count) {
    Napi::Value expectations = in.value(4);
    if (!expectations.IsArray()) return;
    for (uint32_t i = 0; i < count; i++) expected_.push_back(std::make_unique<Expected>(expectations, i));
  }

  // Begins the ingests of all objects: each ends in one of the three below.
  virtual void take_in(as_store *store) = 0;

  void add(as_store *store, size_t index, as_ingest *ingest) {
    if (deferred_) as_ingest_defer(ingest);
    bytes_ += as_ingest_length(ingest);
    members_.push_back({index, ingest});
    if (members_.size() >= kCountMax || bytes_ >= kBytesMax) commit(store);
  }

  void refuse(size_t index, int error, const as_ingested &result = {}) { others_[index] = {error, as_error_detail(), result, nullptr}; }

  void hand_over(size_t index, as_ingest *longer) { others_[index] = {0, "", {}, longer}; }

  // Whether nothing waits to be committed.
  bool is_settled() const { return members_.empty(); }

  void commit(as_store *store) {
    size_t count = members_.size();
    std::vector<as_ingest *> ingests(count);
    std::vector<const as_expect *> expects(count);
    std::vector<as_ingested> results(count);
    std::vector<int> status(count);
    for (size_t i = 0; i < count; i++) {
      ingests[i] = members_[i].ingest;
      expects[i] = expected_.empty() ? nullptr : expected_[members_[i].index]->get();
    }
    as_ingest_commit(store, ingests.data(), expects.data(), count, results.data(), status.data());
    for (size_t i = 0; i < count; i++) {
      if (status[i]) {
        refuse(members_[i].index, status[i], results[i]);
      } else {
        results_[members_[i].index] = results[i];
      }
    }
    members_.clear();
    bytes_ = 0;
  }

 private:
  struct Member {
    size_t index;
    as_ingest *ingest;
  };

  Napi::Object others(Napi::Env env, Napi::Uint8Array flags) {
    Napi::Object object = Napi::Object::New(env);
    for (auto &[index, other] : others_) {
      flags[index] = kOther;
      Napi::Value value = other.error ? commit_failure(env, other.error, other.detail, other.result)
                                      : Napi::Number::New(env, handles().add(Kind::ingest, std::exchange(other.longer, nullptr), store_));
      object.Set(static_cast<uint32_t>(index), value);
    }
    return object;
  }

  uint32_t store_;
  bool deferred_;
  bool refused_ = false;
  std::vector<std::unique_ptr<Expected>> expected_;  // empty where nothing is expected of any
  std::vector<Member> members_;
  uint64_t bytes_ = 0;
  std::vector<as_ingested> results_;
  std::map<size_t, Other> others_;
};

class IngestMany : public ManyJob {
 public:
  IngestMany(const Arguments &in, std::vector<uint32_t> ends) : ManyJob(in, ends.size()), bytes_(in.bytes(2)), ends_(std::move(ends)) {}

 protected:
  void take_in(as_store *store) override {
    uint32_t start = 0;
    for (size_t i = 0; i < ends_.size(); start = ends_[i++]) {
      as_ingest *ingest = nullptr;
      int error = as_ingest_begin_whole(store, static_cast<const uint8_t *>(bytes_.bytes) + start, ends_[i] - start, &ingest);
      error ? refuse(i, error) : add(store, i, ingest);
    }
  }

 private:
  as_span bytes_;
  std::vector<uint32_t> ends_;
};

class FilesMany : public ManyJob {
 public:
  FilesMany(const Arguments &in, std::vector<std::string> paths) : ManyJob(in, paths.size()), most_(in.integer(3)), paths_(std::move(paths)) {}

 protected:
  void take_in(as_store *store) override {
    static thread_local std::unique_ptr<uint8_t[]> room(new uint8_t[kRoomSize]);
    size_t used = 0;  // of the room, since the last commit before a batch: one within it leaves files of the batch there
    for (size_t start = 0; start < paths_.size(); start += AS_FILES_MAX) {
      if (kRoomSize - used < kBatchRoom) {
        commit(store);
        used = 0;
      }
      used += take_batch(store, start, std::min<size_t>(AS_FILES_MAX, paths_.size() - start), room.get() + used);
      used = is_settled() ? 0 : used;
    }
  }

 private:
  // Takes `count` files in. Gives how many bytes of the room they use.
  size_t take_batch(as_store *store, size_t start, size_t count, uint8_t *room) {
    const char *paths[AS_FILES_MAX] = {};
    for (size_t i = 0; i < count; i++) paths[i] = paths_[start + i].c_str();
    size_t used = 0;
    as_files *files = nullptr;
    int error = as_files_open(store, paths, count, room, kBatchRoom, &used, &files);
    for (size_t i = start; i < start + count; i++) error ? refuse(i, error) : take(store, i, files);
    as_files_close(files);
    return used;
  }

  void take(as_store *store, size_t index, as_files *files) {
    as_ingest *ingest = nullptr;
    int outcome = begin(files, &ingest);
    if (outcome < 0) {
      refuse(index, outcome);
      as_ingest_abort(ingest);
    } else if (outcome > 0) {
      hand_over(index, ingest);
    } else {
      add(store, index, ingest);
    }
  }

  // Reads the next file from its beginning: 0 when all of it has been read, 1 when more than `most_` bytes remain.
  int begin(as_files *files, as_ingest **out) const {
    int whole = 0;
    size_t taken = 0;
    int error = as_files_take(files, out, &whole);
    if (error || whole) return error;
    error = as_ingest_pump(*out, most_, &taken);
    if (!error && taken && taken < most_) error = as_ingest_pump(*out, most_ - taken, &taken);  // the step that sees the end
    return error ? error : taken != 0;
  }

  size_t most_;
  std::vector<std::string> paths_;
};

}  // namespace

std::shared_ptr<Job> ingest_many(const Arguments &in) { return std::make_shared<IngestMany>(in, in.ends(3, in.bytes(2))); }

std::shared_ptr<Job> files_many(const Arguments &in) {
  as_span bytes = in.bytes(2);
  std::vector<std::string> paths;
  const char *start = static_cast<const char *>(bytes.bytes);
  for (uint32_t end : in.ends(6, bytes)) {
    const char *stop = static_cast<const char *>(bytes.bytes) + end;
    paths.emplace_back(start, stop);
    if (memchr(start, 0, static_cast<size_t>(stop - start))) in.refuse(2, "paths without NUL");
    start = stop;
  }
  return std::make_shared<FilesMany>(in, std::move(paths));
}

}  // namespace artifactstore
