// Batched operations on the local store: see operations.h. Called by lib/dataplane/inproc/worker.ts.
//
// Operations run in the order given, except that everything in the batch that ends an
// ingest is committed together at the end, one durable commit for all of them, and that appends and verifications are hashed two at a time.
#include "operations.h"

#include <memory>
#include <optional>
#include <vector>

#include "codes.h"
#include "commits.h"
#include "convert.h"
#include "handles.h"
#include "many_stored.h"
#include "sender.h"

namespace artifactstore {

namespace {

constexpr size_t kBadRangesMax = 256;  // VERIFY_RANGES_MAX in lib/limits.ts

// Appends of one batch, hashed two at a time. A batch has at most one operation for each ingest, because the next is asked for only when the
// one before has ended; so the order among them is free.
class AppendPairs {
 public:
  // Takes the append; its outcome is set now, with its partner's, or by `flush`.
  void add(Napi::Env env, Napi::Array outcomes, uint32_t slot, uint32_t ingest, as_span input) {
    auto borrowed = std::make_unique<Borrowed<as_ingest>>(ingest, Kind::ingest);
    if (!*borrowed) {
      outcomes.Set(slot, stale(env));
      return;
    }
    if (!waiting_) {
      waiting_ = Append{slot, input, std::move(borrowed)};
      return;
    }
    Append first = std::move(*waiting_);
    waiting_.reset();
    as_ingest *const ingests[2] = {first.ingest->get(), borrowed->get()};
    const as_span inputs[2] = {first.input, input};
    int errors[2];
    as_ingest_append_pair(ingests, inputs, errors);
    outcomes.Set(first.slot, outcome(env, errors[0]));
    outcomes.Set(slot, outcome(env, errors[1]));
  }

  void flush(Napi::Env env, Napi::Array outcomes) {
    if (!waiting_) return;
    outcomes.Set(waiting_->slot,
                 outcome(env, as_ingest_append(waiting_->ingest->get(), waiting_->input.bytes, waiting_->input.size)));
    waiting_.reset();
  }

 private:
  struct Append {
    uint32_t slot;
    as_span input;
    std::unique_ptr<Borrowed<as_ingest>> ingest;
  };

  static Napi::Value outcome(Napi::Env env, int error) { return error ? failure(env, error) : env.Null(); }

  std::optional<Append> waiting_;
};

// Steps of verifications in one batch, two at a time as appends are.
class VerifyPairs {
 public:
  // Takes the step; its outcome is set now, with its partner's, or by `flush`. Only steps of one size go together.
  void add(Napi::Env env, Napi::Array outcomes, uint32_t slot, uint32_t verifier, uint64_t most) {
    auto borrowed = std::make_unique<Borrowed<as_verifier>>(verifier, Kind::verifier);
    if (!*borrowed) {
      outcomes.Set(slot, stale(env));
      return;
    }
    if (waiting_ && waiting_->most != most) flush(env, outcomes);
    if (!waiting_) {
      waiting_ = Step{slot, most, std::move(borrowed)};
      return;
    }
    Step first = std::move(*waiting_);
    waiting_.reset();
    as_verifier *const verifiers[2] = {first.verifier->get(), borrowed->get()};
    size_t taken[2];
    int errors[2];
    as_verifier_pump_pair(verifiers, most, taken, errors);
    outcomes.Set(first.slot, outcome(env, errors[0], taken[0]));
    outcomes.Set(slot, outcome(env, errors[1], taken[1]));
  }

  void flush(Napi::Env env, Napi::Array outcomes) {
    if (!waiting_) return;
    size_t taken = 0;
    int error = as_verifier_pump(waiting_->verifier->get(), waiting_->most, &taken);
    outcomes.Set(waiting_->slot, outcome(env, error, taken));
    waiting_.reset();
  }

 private:
  struct Step {
    uint32_t slot;
    uint64_t most;
    std::unique_ptr<Borrowed<as_verifier>> verifier;
  };

  static Napi::Value outcome(Napi::Env env, int error, size_t taken) {
    return error ? failure(env, error) : Napi::Number::New(env, static_cast<double>(taken));
  }

  std::optional<Step> waiting_;
};

// What a batch gathers before it acts.
struct Batch {
  AppendPairs appends;
  VerifyPairs verifies;
  Commits commits;
};

as_expect expectation(const Arguments &in, uint32_t first) {
  return as_expect{in.optional_digest(first), in.optional_digest(first + 1), in.optional_size(first + 2)};
}

Napi::Value store_health(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  as_health result;
  int error = as_store_health(store.get(), &result);
  return error ? failure(env, error) : health(env, result);
}

Napi::Value ingest_begin(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  as_ingest *ingest = nullptr;
  int error = as_ingest_begin(store.get(), &ingest);
  if (error) return failure(env, error);
  uint64_t size = in.optional_size(2);
  if (size != AS_SIZE_UNKNOWN) as_ingest_announce(ingest, size);
  return Napi::Number::New(env, handles().add(Kind::ingest, ingest, in.handle(1)));
}

Napi::Value ingest_abort(Napi::Env env, const Arguments &in) {
  Borrowed<as_ingest> ingest(in.handle(1), Kind::ingest);
  if (!ingest) return stale(env);
  as_ingest_abort(ingest.take());
  return env.Null();
}

// Ends an ingest: its outcome is set when the batch commits.
Napi::Value ingest_commit(Napi::Env env, const Arguments &in, uint32_t slot, Napi::Array outcomes, Commits &commits) {
  Borrowed<as_ingest> ingest(in.handle(1), Kind::ingest);
  if (!ingest) return stale(env);
  as_expect expect = expectation(in, 2);
  if (in.integer(5)) as_ingest_defer(ingest.get());
  commits.add(ingest.store(), ingest.take(), expect, [env, slot, outcomes](int status, const as_ingested &result) mutable {
    outcomes.Set(slot, status ? commit_failure(env, status, as_error_detail(), result) : ingested(env, result));
  });
  return Napi::Value();
}

Napi::Value ingest_receive(Napi::Env env, const Arguments &in) {
  Borrowed<as_ingest> ingest(in.handle(1), Kind::ingest);
  Borrowed<as_store> store(ingest ? ingest.store() : 0, Kind::store);
  if (!ingest || !store) return stale(env);
  size_t taken = 0;
  int error = as_ingest_receive(ingest.get(), store.get(), static_cast<int>(in.integer(2)), in.integer(3),
                                static_cast<int>(in.integer(4)), &taken);
  return error ? failure(env, error) : Napi::Number::New(env, static_cast<double>(taken));
}

// What has come over one of many sockets, into its ingest.
Napi::Value receive_now(Napi::Env env, uint32_t handle, uint32_t fd, size_t most, size_t *taken) {
  Borrowed<as_ingest> ingest(handle, Kind::ingest);
  Borrowed<as_store> store(ingest ? ingest.store() : 0, Kind::store);
  if (!ingest || !store) return stale(env);
  int error = as_ingest_receive(ingest.get(), store.get(), static_cast<int>(fd), most, 0, taken);
  return error ? failure(env, error) : Napi::Number::New(env, static_cast<double>(*taken));
}

Napi::Value ingest_receive_many(Napi::Env env, const Arguments &in) {
  std::vector<uint32_t> ingests = in.numbers32(1), sockets = in.numbers32(2), most = in.numbers32(3);
  if (sockets.size() != ingests.size() || most.size() != ingests.size()) in.refuse(2, "a Uint32Array of the same length");
  Napi::Array outcomes = Napi::Array::New(env, ingests.size());
  uint64_t left = in.integer(4);
  for (uint32_t i = 0; i < ingests.size(); i++) {
    size_t taken = 0;
    outcomes[i] = left > 0 ? receive_now(env, ingests[i], sockets[i], most[i], &taken) : Napi::Number::New(env, 0);
    left -= taken < left ? taken : left;
  }
  return outcomes;
}

Napi::Value ingest_receive_pieces(Napi::Env env, const Arguments &in) {
  Borrowed<as_ingest> ingest(in.handle(1), Kind::ingest);
  Borrowed<as_pieces> pieces(in.handle(2), Kind::pieces);
  Borrowed<as_store> store(ingest ? ingest.store() : 0, Kind::store);
  if (!ingest || !pieces || !store) return stale(env);
  size_t taken = 0;
  int error = as_ingest_receive_pieces(ingest.get(), store.get(), pieces.get(), in.integer(3), static_cast<int>(in.integer(4)), &taken);
  if (error) return failure(env, error);
  return numbers(env, {static_cast<double>(taken), static_cast<double>(as_pieces_mark(pieces.get()))});
}

Napi::Value file_pump(Napi::Env env, const Arguments &in) {
  Borrowed<as_ingest> ingest(in.handle(1), Kind::ingest);
  if (!ingest) return stale(env);
  size_t taken = 0;
  int error = as_ingest_pump(ingest.get(), in.integer(2), &taken);
  return error ? failure(env, error) : Napi::Number::New(env, static_cast<double>(taken));
}

// Reads verified bytes into a slab: [size of object, skip, size of bytes, reader or 0]. The reader is kept only while bytes remain before
// `end` (null: the end of the object), so a small object costs one operation.
Napi::Value read_start(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  const uint8_t *address = in.digest(2);
  uint64_t start = in.integer(3);
  uint64_t end = in.optional_size(4);
  as_span slab = in.bytes(5);
  as_reader *reader = nullptr;
  uint64_t size = 0;
  int error = as_reader_open(store.get(), address, &reader, &size);
  if (error) return failure(env, error);
  if (end == AS_SIZE_UNKNOWN) end = size;
  size_t skip = 0, length = 0;
  as_range bad = {0, 0};
  if (start > end || end > size) {
    as_reader_close(reader);
    return failure(env, AS_E_RANGE, "the object has " + std::to_string(size) + " bytes");
  }
  error = as_reader_read(reader, start, static_cast<uint8_t *>(const_cast<void *>(slab.bytes)), slab.size, &skip, &length, &bad);
  if (error) {
    Napi::Value outcome = error == AS_E_CORRUPT ? failure(env, error, bad) : failure(env, error);
    as_reader_close(reader);
    return outcome;
  }
  uint32_t id = 0;
  if (start + length < end) {
    id = handles().add(Kind::reader, reader, in.handle(1));
  } else {
    as_reader_close(reader);
    length = static_cast<size_t>(end - start);
  }
  return numbers(env, {static_cast<double>(size), static_cast<double>(skip), static_cast<double>(length), static_cast<double>(id)});
}

// Nodes that prove a range (`end` null: to the end of the object), from `next` on: [size of object, size of bytes, next].
Napi::Value read_nodes(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  uint64_t start = in.integer(3);
  uint64_t end = in.optional_size(4);
  uint64_t next = in.integer(5);
  as_span slab = in.bytes(6);
  as_reader *reader = nullptr;
  uint64_t size = 0;
  int error = as_reader_open(store.get(), in.digest(2), &reader, &size);
  if (error) return failure(env, error);
  size_t length = 0;
  as_range bad = {0, 0};
  error = as_reader_nodes(reader, start, end == AS_SIZE_UNKNOWN ? size : end, &next,
                          static_cast<uint8_t *>(const_cast<void *>(slab.bytes)), slab.size, &length, &bad);
  Napi::Value outcome = numbers(env, {static_cast<double>(size), static_cast<double>(length), static_cast<double>(next)});
  if (error) outcome = error == AS_E_CORRUPT ? failure(env, error, bad) : failure(env, error);
  as_reader_close(reader);
  return outcome;
}

// [skip, size of bytes] at an offset. Several may read at once, on several workers.
Napi::Value read_next(Napi::Env env, const Arguments &in) {
  Borrowed<as_reader> reader(in.handle(1), Kind::reader, Use::shared);
  if (!reader) return stale(env);
  as_span slab = in.bytes(3);
  size_t skip = 0, length = 0;
  as_range bad = {0, 0};
  int error = as_reader_read(reader.get(), in.integer(2), static_cast<uint8_t *>(const_cast<void *>(slab.bytes)), slab.size, &skip,
                             &length, &bad);
  if (error == AS_E_CORRUPT) return failure(env, error, bad);
  if (error) return failure(env, error);
  return numbers(env, {static_cast<double>(skip), static_cast<double>(length)});
}

Napi::Value read_close(Napi::Env env, const Arguments &in) {
  Borrowed<as_reader> reader(in.handle(1), Kind::reader);
  if (!reader) return stale(env);
  as_reader_close(reader.take());
  return env.Null();
}

// [size of what will come, sink].
Napi::Value sink_begin(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  as_sink *sink = nullptr;
  uint64_t size = 0;
  int error = as_sink_open(store.get(), in.digest(2), in.path(3).c_str(), in.integer(4), in.optional_size(5), &sink, &size);
  if (error) return failure(env, error);
  uint32_t id = handles().add(Kind::sink, sink, in.handle(1));
  return numbers(env, {static_cast<double>(size), static_cast<double>(id)});
}

Napi::Value sink_pump(Napi::Env env, const Arguments &in) {
  Borrowed<as_sink> sink(in.handle(1), Kind::sink);
  if (!sink) return stale(env);
  size_t taken = 0;
  as_range bad = {0, 0};
  int error = as_sink_pump(sink.get(), in.integer(2), &taken, &bad);
  if (error == AS_E_CORRUPT) return failure(env, error, bad);
  return error ? failure(env, error) : Napi::Number::New(env, static_cast<double>(taken));
}

Napi::Value sink_close(Napi::Env env, const Arguments &in) {
  Borrowed<as_sink> sink(in.handle(1), Kind::sink);
  if (!sink) return stale(env);
  as_sink_close(sink.take());
  return env.Null();
}

Napi::Value verify_begin(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  as_verifier *verifier = nullptr;
  uint64_t size = 0;
  int error = as_verifier_open(store.get(), in.digest(2), static_cast<unsigned>(in.integer(3)), &verifier, &size);
  if (error) return failure(env, error);
  uint32_t id = handles().add(Kind::verifier, verifier, in.handle(1));
  return numbers(env, {static_cast<double>(size), static_cast<double>(id)});
}

Napi::Value verify_finish(Napi::Env env, const Arguments &in) {
  Borrowed<as_verifier> verifier(in.handle(1), Kind::verifier);
  if (!verifier) return stale(env);
  as_verified result;
  std::vector<as_range> bad(kBadRangesMax);
  int error = as_verifier_finish(verifier.take(), &result, bad.data(), bad.size());
  return error ? failure(env, error) : verified(env, result, bad.data());
}

Napi::Value verify_abort(Napi::Env env, const Arguments &in) {
  Borrowed<as_verifier> verifier(in.handle(1), Kind::verifier);
  if (!verifier) return stale(env);
  as_verifier_abort(verifier.take());
  return env.Null();
}

// A handle for ingestAppend, sessionCheckpoint, ingestCommit and ingestAbort.
Napi::Value session_begin(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  as_ingest *session = nullptr;
  uint64_t durable = 0;
  int error = as_session_begin(store.get(), in.text(2).c_str(), in.integer(3), &session, &durable);
  if (error == AS_E_OFFSET) return offset_failure(env, durable);
  if (error) return failure(env, error);
  return Napi::Number::New(env, handles().add(Kind::ingest, session, in.handle(1)));
}

Napi::Value session_checkpoint(Napi::Env env, const Arguments &in) {
  Borrowed<as_ingest> session(in.handle(1), Kind::ingest);
  if (!session) return stale(env);
  as_session_status result;
  int error = as_session_checkpoint(session.get(), &result);
  return error ? failure(env, error) : session_status(env, result);
}

Napi::Value session_look(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  as_session_status result;
  int error = as_session_look(store.get(), in.text(2).c_str(), &result);
  return error ? failure(env, error) : session_status(env, result);
}

// 1 if there was one.
Napi::Value session_remove(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  int removed = 0;
  int error = as_session_remove(store.get(), in.text(2).c_str(), &removed);
  return error ? failure(env, error) : Napi::Number::New(env, removed);
}

Napi::Value session_list(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  std::vector<as_session_entry> entries;
  int error = as_session_list(
      store.get(),
      [](void *context, const as_session_entry *entry) {
        static_cast<std::vector<as_session_entry> *>(context)->push_back(*entry);
        return 0;
      },
      &entries);
  return error ? failure(env, error) : sessions(env, entries);
}

Napi::Value store_sync(Napi::Env env, const Arguments &in) {
  Borrowed<as_store> store(in.handle(1), Kind::store);
  if (!store) return stale(env);
  int error = as_store_sync(store.get());
  return error ? failure(env, error) : env.Null();
}

// An empty value means: the outcome is set by what the batch gathers.
Napi::Value perform(Napi::Env env, Napi::Array operation, uint32_t slot, Napi::Array outcomes, Batch &batch) {
  uint32_t code = operation.Get(0u).ToNumber().Uint32Value();
  switch (code) {
    case kHealth: return store_health(env, Arguments(operation, "health"));
    case kIngestBegin: return ingest_begin(env, Arguments(operation, "ingestBegin"));
    case kIngestAppend: {
      Arguments in(operation, "ingestAppend");
      batch.appends.add(env, outcomes, slot, in.handle(1), in.bytes(2));
      return Napi::Value();
    }
    case kIngestCommit: return ingest_commit(env, Arguments(operation, "ingestCommit"), slot, outcomes, batch.commits);
    case kIngestAbort: return ingest_abort(env, Arguments(operation, "ingestAbort"));
    case kFilePump: return file_pump(env, Arguments(operation, "filePump"));
    case kReadStart: return read_start(env, Arguments(operation, "readStart"));
    case kReadNext: return read_next(env, Arguments(operation, "readNext"));
    case kReadMany: return read_many(env, Arguments(operation, "readMany"));
    case kSenderBegin: return sender_begin(env, Arguments(operation, "senderBegin"));
    case kSenderPump: return sender_pump(env, Arguments(operation, "senderPump"));
    case kIngestReceive: return ingest_receive(env, Arguments(operation, "ingestReceive"));
    case kIngestReceiveMany: return ingest_receive_many(env, Arguments(operation, "ingestReceiveMany"));
    case kIngestReceivePieces: return ingest_receive_pieces(env, Arguments(operation, "ingestReceivePieces"));
    case kSenderClose: return sender_close(env, Arguments(operation, "senderClose"));
    case kReadClose: return read_close(env, Arguments(operation, "readClose"));
    case kVerifyBegin: return verify_begin(env, Arguments(operation, "verifyBegin"));
    case kVerifyPump: {
      Arguments in(operation, "verifyPump");
      batch.verifies.add(env, outcomes, slot, in.handle(1), in.integer(2));
      return Napi::Value();
    }
    case kVerifyFinish: return verify_finish(env, Arguments(operation, "verifyFinish"));
    case kVerifyAbort: return verify_abort(env, Arguments(operation, "verifyAbort"));
    case kVerifyMany: return verify_many(env, Arguments(operation, "verifyMany"));
    case kList: return list_part(env, Arguments(operation, "list"));
    case kSessionBegin: return session_begin(env, Arguments(operation, "sessionBegin"));
    case kSessionCheckpoint: return session_checkpoint(env, Arguments(operation, "sessionCheckpoint"));
    case kSessionLook: return session_look(env, Arguments(operation, "sessionLook"));
    case kSessionRemove: return session_remove(env, Arguments(operation, "sessionRemove"));
    case kSessionList: return session_list(env, Arguments(operation, "sessionList"));
    case kSync: return store_sync(env, Arguments(operation, "sync"));
    case kSinkBegin: return sink_begin(env, Arguments(operation, "sinkBegin"));
    case kSinkPump: return sink_pump(env, Arguments(operation, "sinkPump"));
    case kSinkClose: return sink_close(env, Arguments(operation, "sinkClose"));
    case kReadNodes: return read_nodes(env, Arguments(operation, "readNodes"));
    default: throw Napi::TypeError::New(env, "run: unknown operation " + std::to_string(code));
  }
}

}  // namespace

Napi::Value Run(const Napi::CallbackInfo &info) {
  Napi::Env env = info.Env();
  if (info.Length() != 1 || !info[0].IsArray()) throw Napi::TypeError::New(env, "run takes one array of operations");
  Napi::Array operations = info[0].As<Napi::Array>();
  uint32_t count = operations.Length();
  Napi::Array outcomes = Napi::Array::New(env, count);
  Batch batch;
  for (uint32_t i = 0; i < count; i++) {
    try {
      Napi::Value operation = operations.Get(i);
      if (!operation.IsArray()) throw Napi::TypeError::New(env, "run: an operation is an array");
      Napi::Value outcome = perform(env, operation.As<Napi::Array>(), i, outcomes, batch);
      if (!outcome.IsEmpty()) outcomes.Set(i, outcome);
    } catch (const Napi::Error &error) {
      outcomes.Set(i, failure(env, AS_E_INVALID, error.Message()));  // one bad operation never fails its neighbours
    }
  }
  batch.appends.flush(env, outcomes);
  batch.verifies.flush(env, outcomes);
  batch.commits.commit();
  return outcomes;
}

}  // namespace artifactstore
